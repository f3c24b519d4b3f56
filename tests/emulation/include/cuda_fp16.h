// binary16: 5 bits of exponent, 10 of fraction. Conversion rounds to nearest even, keeps subnormal numbers, and makes numbers that are too
// large infinite and every NaN 0x7FFF, as on the device. fp16 is a storage type, as bf16 is (cuda_bf16.h).
#pragma once

#include <stdint.h>
#include <string.h>

#include "cuda_emulation/types.h"

struct __half {
  uint16_t bits;
};

struct alignas(4) __half2 {
  __half x, y;
};

inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
inline unsigned short __half_as_ushort(__half x) { return x.bits; }

inline float __half2float(__half x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000u) << 16;
  const uint32_t exponent = x.bits >> 10 & 0x1Fu, fraction = x.bits & 0x3FFu;
  if (exponent == 0) {
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -value : value;
  }
  const uint32_t bits = sign | (exponent == 0x1F ? 0xFFu : exponent + 112) << 23 | fraction << 13;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

inline __half __float2half_rn(float value) {
  if (value != value) return {0x7FFF};
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  bits &= 0x7FFFFFFFu;
  if (bits >= 0x47800000u)
    return {static_cast<uint16_t>(sign | 0x7C00u)};  // 65536 and above; smaller numbers that round up to it become infinite below
  if (bits < 0x38800000u) {
    // Below 2^-14: the ulp of the sum with 1/2 is 2^-24, the ulp of subnormal results. So the addition rounds to it.
    float magnitude;
    memcpy(&magnitude, &bits, sizeof magnitude);
    magnitude += 0.5f;
    memcpy(&bits, &magnitude, sizeof bits);
    return {static_cast<uint16_t>(sign | (bits - 0x3F000000u))};
  }
  // Adds half an ulp, or one less if the result is even so far. So a tie carries only where the result is odd.
  bits += 0xFFFu + (bits >> 13 & 1);
  return {static_cast<uint16_t>(sign | (bits - 0x38000000u) >> 13)};
}
inline __half __float2half(float value) { return __float2half_rn(value); }

inline __half2 __halves2half2(__half low, __half high) { return {low, high}; }
inline __half2 __floats2half2_rn(float low, float high) { return {__float2half_rn(low), __float2half_rn(high)}; }
inline __half2 __float22half2_rn(float2 pair) { return __floats2half2_rn(pair.x, pair.y); }
inline __half __low2half(__half2 pair) { return pair.x; }
inline __half __high2half(__half2 pair) { return pair.y; }
inline float __low2float(__half2 pair) { return __half2float(pair.x); }
inline float __high2float(__half2 pair) { return __half2float(pair.y); }
inline float2 __half22float2(__half2 pair) { return {__low2float(pair), __high2float(pair)}; }
