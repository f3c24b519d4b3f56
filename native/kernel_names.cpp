#include "kernel_names.h"

#include <string.h>

#include <string>

#include "context.h"
#include "dpo4j.h"
#include "text.h"

namespace {

using namespace dpo4j;

struct Name {
  const char* name;
  OptionalKernel kernel;
};

constexpr Name kNames[] = {
    {"attention_forward_sm90a", kAttentionForwardSm90a},
    {"attention_backward_sm90a", kAttentionBackwardSm90a},
    {"lm_head_forward_sm90a", kLmHeadForwardSm90a},
    {"lm_head_exponentials_sm90a", kLmHeadExponentialsSm90a},
    {"attention_decode", kAttentionDecode},
};

// Returns 0 if there is no kernel of this name.
uint32_t kernel_named(const std::string& name) {
  for (const Name& known : kNames) {
    if (name == known.name) return known.kernel;
  }
  return 0;
}

std::string trimmed(const std::string& text) {
  constexpr char kSpace[] = " \t";
  const size_t first = text.find_first_not_of(kSpace);
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool parse(const std::string& names, uint32_t* kernels, std::string* refusal) {
  if (trimmed(names).empty()) return true;
  for (size_t begin = 0; begin <= names.size();) {
    const size_t end = std::min(names.find(',', begin), names.size());
    const std::string name = trimmed(names.substr(begin, end - begin));
    const uint32_t kernel = kernel_named(name);
    if (kernel == 0) {
      *refusal = "'" + name + "' is no kernel that can be turned off: use";
      for (const Name& known : kNames) *refusal += (&known == kNames ? " " : ", ") + std::string(known.name);
      return false;
    }
    *kernels |= kernel;
    begin = end + 1;
  }
  return true;
}

}  // namespace

bool dpo4j::kernels_named(const char* names, uint32_t* kernels, char* text, size_t text_bytes) {
  *kernels = 0;
  copy_text(text, text_bytes, "");
  std::string refusal;
  if (names == nullptr || parse(names, kernels, &refusal)) return true;
  copy_text(text, text_bytes, refusal.c_str());
  return false;
}

int32_t dpo4j_cuda_check_kernels(const char* names, char* text, size_t text_bytes) {
  uint32_t kernels;
  return kernels_named(names, &kernels, text, text_bytes) ? DPO4J_OK : DPO4J_INVALID_ARGUMENT;
}

int32_t dpo4j_cuda_has_kernel([[maybe_unused]] const dpo4j_context* context, [[maybe_unused]] const char* name) {
#ifdef DPO4J_WITH_CUDA
  if (context == nullptr || name == nullptr || context->device != DPO4J_CUDA) return 0;
  const uint32_t kernel = kernel_named(name);
  return kernel != 0 && cuda::has_kernel(context->cuda, kernel) ? 1 : 0;
#else
  return 0;
#endif
}
