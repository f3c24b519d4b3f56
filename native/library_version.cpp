// Asks shared libraries for their version, through the functions of their C headers. A missing function is detected by dlsym; a lazily
// bound call would end the process.
#include <dlfcn.h>

#include "dpo4j.h"
#include "text.h"

namespace {

struct OneDnnVersion {  // the first fields of dnnl_version_t
  int major, minor, patch;
};

template <typename Function>
Function find(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

// Writes the version; returns false if the library has none of the functions.
bool ask(void* library, char* text, size_t text_bytes) {
  if (const auto onednn = find<const OneDnnVersion* (*)()>(library, "dnnl_version")) {
    const OneDnnVersion* version = onednn();
    snprintf(text, text_bytes, "%d.%d.%d", version->major, version->minor, version->patch);
    return true;
  }
  if (const auto cublaslt = find<size_t (*)()>(library, "cublasLtGetVersion")) {
    const size_t version = cublaslt();  // 130101 is 13.1.1
    snprintf(text, text_bytes, "%zu.%zu.%zu", version / 10000, version / 100 % 100, version % 100);
    return true;
  }
  int version = 0;  // 13010 is 13.1
  const auto cudart = find<int (*)(int*)>(library, "cudaRuntimeGetVersion");
  if (cudart == nullptr || cudart(&version) != 0) return false;
  snprintf(text, text_bytes, "%d.%d", version / 1000, version % 1000 / 10);
  return true;
}

}  // namespace

int32_t dpo4j_library_version(const char* path, char* text, size_t text_bytes) {
  dpo4j::copy_text(text, text_bytes, "");
  if (path == nullptr) {
    dpo4j::copy_text(text, text_bytes, "library_version: path is null, must name a library");
    return DPO4J_INVALID_ARGUMENT;
  }
  void* library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) {
    dpo4j::copy_text(text, text_bytes, dlerror());
    return DPO4J_INVALID_ARGUMENT;
  }
  if (ask(library, text, text_bytes)) return DPO4J_OK;
  dpo4j::copy_text(text, text_bytes, "it says no version: oneDNN, cudart or cublasLt is expected");
  return DPO4J_INVALID_ARGUMENT;
}
