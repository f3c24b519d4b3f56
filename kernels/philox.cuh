// Philox4x32-10 (Salmon et al. 2011): 128 random bits from a counter and a key, without state. So random bits depend only on counter and
// key, not on which thread computes them, or when.
#pragma once

#include "portable.cuh"

namespace dpo4j::cuda {

__device__ __forceinline__ uint4 philox(uint4 counter, uint2 key) {
  constexpr uint64_t kMultiplierX = 0xD2511F53, kMultiplierZ = 0xCD9E8D57;
  constexpr uint32_t kWeylX = 0x9E3779B9, kWeylY = 0xBB67AE85;
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const uint64_t x = kMultiplierX * counter.x, z = kMultiplierZ * counter.z;
    counter = make_uint4(static_cast<uint32_t>(z >> 32) ^ counter.y ^ key.x, static_cast<uint32_t>(z),
                         static_cast<uint32_t>(x >> 32) ^ counter.w ^ key.y, static_cast<uint32_t>(x));
    key.x += kWeylX;
    key.y += kWeylY;
  }
  return counter;
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
