// The numbers that the codes of 8-bit moments stand for: the dynamic maps of bitsandbytes (Dettmers 2015; Dettmers et al. 2022), sorted.
// bitsandbytes computes them in fp32; these are rounded once, and differ by at most 2 ulp.
#pragma once

#include <stdint.h>

#include "host_device.h"

namespace dpo4j {

constexpr int kCodes = 256;         // of a map
constexpr int64_t kMapBlock = 256;  // elements that share a maximum

// Number j of the positive numbers below 1 of a map, sorted. Decade i, which ends at 10^(i - 6), has first 2^i of them, evenly spaced.
DPO4J_HOST_DEVICE constexpr float dynamic_fraction(int j, int first) {
  double below = 1e6;
  int count = first;
  while (j >= count) {
    j -= count;
    count *= 2;
    below /= 10;
  }
  return static_cast<float>((0.1 + 0.9 * (j + 0.5) / count) / below);
}

// For m: negative and positive numbers, of which decade i has 2^i.
DPO4J_HOST_DEVICE constexpr float signed_map(int code) {
  if (code == 127) return 0;
  if (code == 255) return 1;
  return code > 127 ? dynamic_fraction(code - 128, 1) : -dynamic_fraction(126 - code, 1);
}

// For v: positive numbers, of which decade i has 2^(i + 1).
DPO4J_HOST_DEVICE constexpr float unsigned_map(int code) { return code == 0 ? 0 : code == 255 ? 1 : dynamic_fraction(code - 1, 2); }

// A map, and the middle between each number and the next.
struct DynamicMap {
  float value[kCodes], middle[kCodes];
};

// The code of the nearest number, by binary search. `middle` is that of a DynamicMap; its last element is not read.
DPO4J_HOST_DEVICE inline int nearest_code(const float* middle, float x) {
  int code = 0;
  for (int step = kCodes / 2; step > 0; step /= 2) code += x > middle[code + step - 1] ? step : 0;
  return code;
}

}  // namespace dpo4j
