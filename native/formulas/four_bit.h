// The numbers that 4-bit codes stand for, in the order of bitsandbytes: NF4 (Dettmers et al. 2023) and FP4.
#pragma once

#include <stdint.h>

#include "dpo4j.h"
#include "host_device.h"

namespace dpo4j {

constexpr int kFourBitCodes = 16;
constexpr int64_t kFourBitBlock = 64;  // elements that share an absmax
constexpr int64_t kNestedBlock = 256;  // absmax values that share a factor
constexpr int kMiddles = kFourBitCodes - 1;

DPO4J_HOST_DEVICE constexpr float nf4_value(int code) {
  constexpr float kValues[kFourBitCodes] = {
      -1.0f,
      -0.6961928009986877f,
      -0.5250730514526367f,
      -0.39491748809814453f,
      -0.28444138169288635f,
      -0.18477343022823334f,
      -0.09105003625154495f,
      0.0f,
      0.07958029955625534f,
      0.16093020141124725f,
      0.24611230194568634f,
      0.33791524171829224f,
      0.44070982933044434f,
      0.5626170039176941f,
      0.7229568362236023f,
      1.0f,
  };
  return kValues[code];
}

// A sign and eight magnitudes, which are not sorted.
DPO4J_HOST_DEVICE constexpr float fp4_value(int code) {
  constexpr float kMagnitudes[kFourBitCodes / 2] = {0.0f, 0.0625f / 12, 8.0f / 12, 1.0f, 4.0f / 12, 0.5f, 2.0f / 12, 0.25f};
  return code < kFourBitCodes / 2 ? kMagnitudes[code] : -kMagnitudes[code - kFourBitCodes / 2];
}

DPO4J_HOST_DEVICE constexpr float four_bit_value(int32_t quant_type, int code) {
  return quant_type == DPO4J_FP4 ? fp4_value(code) : nf4_value(code);
}

// The codes in the order of their numbers, four bits each, the smallest number in the low bits.
DPO4J_HOST_DEVICE constexpr uint64_t sorted_four_bit_codes(int32_t quant_type) {
  return quant_type == DPO4J_FP4 ? 0x3254761089EFCDABu : 0xFEDCBA9876543210u;
}

DPO4J_HOST_DEVICE constexpr int sorted_four_bit_code(int32_t quant_type, int i) {
  return static_cast<int>(sorted_four_bit_codes(quant_type) >> 4 * i & 15);
}

// The middle between number i, sorted, and the next. FP4 has 0 and -0: numbers below 0 that are nearest to it have the code of -0.
DPO4J_HOST_DEVICE constexpr float four_bit_middle(int32_t quant_type, int i) {
  if (quant_type == DPO4J_FP4 && i == kFourBitCodes / 2 - 1) return -0x1p-149f;
  return 0.5f * (four_bit_value(quant_type, sorted_four_bit_code(quant_type, i)) +
                 four_bit_value(quant_type, sorted_four_bit_code(quant_type, i + 1)));
}

// The code of the nearest number, by binary search; in the middle of two numbers, that of the smaller one. The middles are those of
// four_bit_middle.
DPO4J_HOST_DEVICE inline int nearest_four_bit(const float* middles, uint64_t sorted_codes, float x) {
  int i = 0;
  for (int step = kFourBitCodes / 2; step > 0; step /= 2) i += x > middles[i + step - 1] ? step : 0;
  return static_cast<int>(sorted_codes >> 4 * i & 15);
}

// What elements of a block are multiplied by. A smaller absmax counts as 1e-38, so that the factor is finite.
DPO4J_HOST_DEVICE inline float four_bit_factor(float absmax) { return 1.0f / (absmax > 1e-38f ? absmax : 1e-38f); }

// The codes of elements 2 i and 2 i + 1 from byte i.
DPO4J_HOST_DEVICE inline int first_code(uint32_t byte) { return static_cast<int>(byte >> 4 & 15); }
DPO4J_HOST_DEVICE inline int second_code(uint32_t byte) { return static_cast<int>(byte & 15); }

}  // namespace dpo4j
