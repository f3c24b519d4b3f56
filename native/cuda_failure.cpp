#include "cuda_failure.h"

#include <stdio.h>

#include <mutex>

#include "cuda.h"
#include "dpo4j.h"
#include "text.h"

#ifdef DPO4J_WITH_CUDA

namespace {

constexpr char kRestart[] = "no CUDA call of this process works any more, restart it";

std::mutex mutex;
char first[256];  // the first failure that ended CUDA in this process; "" before

// Returns whether it is the first.
bool remember(const char* failure) {
  if (first[0] != 0) return false;
  snprintf(first, sizeof first, "%s", failure);
  return true;
}

}  // namespace

void dpo4j::describe_failure(int error, const char* call, char* text, size_t text_bytes) {
  char failure[256];
  snprintf(failure, sizeof failure, "%s failed: %s (%s)", call, cuda::error_text(error), cuda::error_name(error));
  if (!cuda::ends_cuda(error)) return copy_text(text, text_bytes, failure);
  const std::lock_guard<std::mutex> lock(mutex);
  char whole[640];
  if (remember(failure)) {
    snprintf(whole, sizeof whole, "%s: %s", failure, kRestart);
  } else {
    snprintf(whole, sizeof whole, "%s failed: %s; the first failure was: %s", call, kRestart, first);
  }
  copy_text(text, text_bytes, whole);
}

#endif

void dpo4j_cuda_describe_failure([[maybe_unused]] int32_t error, [[maybe_unused]] const char* call, char* text, size_t text_bytes) {
  dpo4j::copy_text(text, text_bytes, "");
#ifdef DPO4J_WITH_CUDA
  dpo4j::describe_failure(error, call, text, text_bytes);
#endif
}
