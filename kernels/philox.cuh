// Random bits of Philox for kernels: native/formulas/philox.h in CUDA's vectors, and stochastic rounding.
#pragma once

#include "formulas/philox.h"
#include "portable.cuh"

namespace dpo4j::cuda {

__device__ __forceinline__ uint4 philox(uint4 counter, uint2 key) {
  const PhiloxBits bits = dpo4j::philox({counter.x, counter.y, counter.z, counter.w}, key.x, key.y);
  return make_uint4(bits.x, bits.y, bits.z, bits.w);
}

// Bits 16 i to 16 i + 15 of the 128, i from 0 to 7.
__device__ __forceinline__ uint32_t sixteen_bits(uint4 random, int i) {
  const uint32_t low = i & 2 ? random.y : random.x, high = i & 2 ? random.w : random.z;
  return ((i & 4 ? high : low) >> (16 * (i & 1))) & 0xffff;
}

// Stochastic rounding to bfloat16: adds `random` to the 16 bits that are dropped. If the sum carries, the result is rounded away from zero.
// The probability of a carry is such that the mean of the results is exact. Values that bfloat16 represents do not change, nor do
// infinities and NaN.
__device__ __forceinline__ float round_stochastically(float x, uint32_t random) {
  constexpr uint32_t kExponent = 0x7f800000;
  const uint32_t bits = __float_as_uint(x);
  return (bits & kExponent) == kExponent ? x : __uint_as_float((bits + random) & 0xffff0000u);
}

}  // namespace dpo4j::cuda
