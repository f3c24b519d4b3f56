// A workspace size is the larger of both devices, so that it is valid on each.
#pragma once

#include "cpu/cpu.h"
#include "cuda.h"

namespace dpo4j {

// 0 for negative sizes; the call itself refuses them.
template <class... Sizes>
bool all_positive(Sizes... sizes) {
  return ((sizes > 0) && ...);
}

inline size_t larger(size_t a, size_t b) { return a > b ? a : b; }

}  // namespace dpo4j

#ifdef DPO4J_WITH_CUDA
#define DPO4J_WORKSPACE_BYTES(function, ...) \
  (dpo4j::all_positive(__VA_ARGS__) ? dpo4j::larger(dpo4j::cpu::function(__VA_ARGS__), dpo4j::cuda::function(__VA_ARGS__)) : 0)
#else
#define DPO4J_WORKSPACE_BYTES(function, ...) (dpo4j::all_positive(__VA_ARGS__) ? dpo4j::cpu::function(__VA_ARGS__) : 0)
#endif
