// Shared by CUDA and the CPU for sample_tokens: order of scores, probabilities as integers, and the random number of a token.
#pragma once

#include "dpo4j.h"
#include "host_device.h"
#include "philox.h"

namespace dpo4j::sampling {

// The bits of a score as an integer: a < b exactly if score a < score b. The score is not -0 and not NaN.
DPO4J_HOST_DEVICE inline uint32_t ordered(uint32_t bits) { return bits & 0x80000000u ? ~bits : bits | 0x80000000u; }

// The bits of the score with this order.
DPO4J_HOST_DEVICE inline uint32_t bits_of_ordered(uint32_t order) { return order & 0x80000000u ? order & 0x7fffffffu : ~order; }

// 2^s, the mass of an id with the max score. A sum over the vocabulary is at most 2^62.
DPO4J_HOST_DEVICE inline float max_mass(int64_t vocabulary) {
  int bits = 0;
  while ((int64_t{1} << bits) < vocabulary) bits++;
  return static_cast<float>(int64_t{1} << (62 - bits));
}

// The mass of an id, for exp(z - max z). `max_mass` is a power of two, so the product is exact.
DPO4J_HOST_DEVICE inline uint64_t mass(float exponential, float max_mass) { return static_cast<uint64_t>(exponential * max_mass); }

// top_p keeps the ids with the largest scores, until their mass is at least this part of `total`, which is above 0.
DPO4J_HOST_DEVICE inline uint64_t mass_to_keep(uint64_t total, float top_p) {
  const uint64_t removed = static_cast<uint64_t>((1.0 - static_cast<double>(top_p)) * static_cast<double>(total));
  return removed < total ? total - removed : 1;
}

// Of the ids whose score is the threshold of top_p: how many are kept, if `missing` is what the ids above it lack.
DPO4J_HOST_DEVICE inline uint64_t equals_to_keep(uint64_t missing, uint64_t mass_of_each) {
  return (missing + mass_of_each - 1) / mass_of_each;
}

// floor(total u), u in [0, 1) with 64 bits. `draw` is {low half of the seed, high half, sample, number of the token}.
DPO4J_HOST_DEVICE inline uint64_t drawn_mass(const uint32_t* draw, uint64_t total) {
  const PhiloxBits bits = philox({draw[2], draw[3], 0, 0}, draw[0], draw[1]);
  const uint64_t low = total & 0xffffffffu, high = total >> 32;
  // The upper 64 bits of (y 2^32 + x) (high 2^32 + low). No sum overflows, because total is below 2^63.
  const uint64_t first = bits.x * low, second = bits.x * high, third = bits.y * low, fourth = bits.y * high;
  const uint64_t middle = (first >> 32) + (second & 0xffffffffu) + (third & 0xffffffffu);
  return fourth + (second >> 32) + (third >> 32) + (middle >> 32);
}

}  // namespace dpo4j::sampling
