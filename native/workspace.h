// A workspace size is the max over both devices, so that it is valid on each.
#pragma once

#include <algorithm>

#include "cpu/cpu.h"
#include "cuda.h"

namespace dpo4j {

// 0 for negative sizes; the call itself refuses them.
template <class... Sizes>
bool all_positive(Sizes... sizes) {
  return ((sizes > 0) && ...);
}

}  // namespace dpo4j

#ifdef DPO4J_WITH_CUDA
#define DPO4J_WORKSPACE_BYTES(function, ...) \
  (dpo4j::all_positive(__VA_ARGS__) ? std::max(dpo4j::cpu::function(__VA_ARGS__), dpo4j::cuda::function(__VA_ARGS__)) : 0)
#else
#define DPO4J_WORKSPACE_BYTES(function, ...) (dpo4j::all_positive(__VA_ARGS__) ? dpo4j::cpu::function(__VA_ARGS__) : 0)
#endif
