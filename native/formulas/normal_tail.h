// The lower tail of the normal distribution in fp32, for GELU on CPU and GPU:
//
//   Phi(-z) = exp(-z^2 / 2) t P(t)      z >= 0, t = 1 / (1 + 0.35 z)
//
// P has degree 8. It is minimax in the relative error of Phi(-z) for z in [0, 13.3]: 0.57 u, u = 2^-24. Beyond, the exponential is below the
// normal numbers of fp32. Horner's scheme adds at most 3 u with fma, and 5 u without. A relative error of t counts at most 2.28 times.
// tests/golden/activation.py checks these four numbers.
#pragma once

#include "host_device.h"

namespace dpo4j {

constexpr float kTailScale = 0.35f;
constexpr int kTailDegree = 8;

// The coefficient of t^power in P.
DPO4J_HOST_DEVICE constexpr float tail_coefficient(int power) {
  constexpr float coefficients[kTailDegree + 1] = {
      0x1.1df1f6p-3f, 0x1.1e6d9ep-3f,  0x1.eaf5fp-4f, 0x1.afadfcp-4f,  -0x1.763284p-6f,
      0x1.453398p-3f, -0x1.058388p-2f, 0x1.26888p-3f, -0x1.dd021ep-6f,
  };
  return coefficients[power];
}

}  // namespace dpo4j
