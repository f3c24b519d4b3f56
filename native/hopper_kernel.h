// Operations that only a kernel for Hopper computes.
#pragma once

#include "context.h"

namespace dpo4j {

// Why a context cannot run such an operation, or null. `turned_off` is the text for a context that turns its kernel off.
inline const char* lack_of(const dpo4j_context* context, [[maybe_unused]] uint32_t kernel, [[maybe_unused]] const char* turned_off,
                           int32_t dtype) {
  if (context == nullptr) return "there is no context";
  if (context->device == DPO4J_CPU) return "cpu contexts have no such operation";
#ifdef DPO4J_WITH_CUDA
  if ((context->cuda.without & kernel) != 0) return turned_off;
  if (cuda::has_kernel(context->cuda, kernel)) return dtype == DPO4J_BF16 ? nullptr : "dtype must be DPO4J_BF16 (1)";
#endif
  return "it needs compute capability 9.0 and code for sm_90a";
}

}  // namespace dpo4j
