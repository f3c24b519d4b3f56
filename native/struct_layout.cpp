// The offsets and sizes of the structs of dpo4j.h, as the compiler lays them out. Java writes params structs field by field: a test
// compares.
#include <stddef.h>
#include <string.h>

#include <string>

#include "dpo4j.h"
#include "text.h"

namespace {

struct Field {
  const char* struct_name;
  const char* name;  // null in the first entry of each struct
  const char* type;
  size_t offset, size;  // the whole struct's in its first entry
};

constexpr Field kFields[] = {
#define STRUCT(name) {#name, nullptr, nullptr, 0, sizeof(name)},
#define FIELD(name, field, type) {#name, #field, #type, offsetof(name, field), sizeof(name::field)},
#include "struct_layouts.inc"
#undef STRUCT
#undef FIELD
};

std::string names() {
  std::string text;
  for (const Field& field : kFields) {
    if (field.name == nullptr) text.append(field.struct_name).append("\n");
  }
  return text;
}

// Empty if there is no such struct.
std::string layout(const char* name) {
  std::string text, size;
  for (const Field& field : kFields) {
    if (strcmp(field.struct_name, name) != 0) continue;
    if (field.name == nullptr) {
      size = "size " + std::to_string(field.size) + "\n";
    } else {
      text.append(field.name).append(" ").append(std::to_string(field.offset)).append(" ");
      text.append(std::to_string(field.size)).append(" ").append(field.type).append("\n");
    }
  }
  return text + size;
}

}  // namespace

int32_t dpo4j_struct_layout(const char* name, char* text, size_t text_bytes) {
  const std::string found = name == nullptr ? names() : layout(name);
  dpo4j::copy_text(text, text_bytes, found.empty() ? "dpo4j.h declares no such struct: give null for the names of all" : found.c_str());
  return found.empty() ? DPO4J_INVALID_ARGUMENT : DPO4J_OK;
}
