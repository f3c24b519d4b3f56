// The logistic functions of the losses, in fp64, for the CUDA kernels and for the CPU.
//
// Both use t = exp(-|x|), which is in [0, 1]. softplus(x) = max(x, 0) + log(1 + t). sigmoid(-|x|) = t / (1 + t) keeps its digits for large
// |x|, where 1 - sigmoid(|x|) loses them.
#pragma once

#include <math.h>
#include <stdint.h>

#include "host_device.h"

namespace dpo4j {

// The sum of x^(k - FIRST) / (2 k + 1) over COUNT values of k, from FIRST on. Each half is summed by itself, recursively, so the longest
// chain of dependent operations has log2(COUNT) steps. powers[i] is x^(2^i).
template <int FIRST, int COUNT, int HALVINGS>
DPO4J_HOST_DEVICE inline double odd_reciprocals(const double (&powers)[4]) {
  if constexpr (COUNT == 1) {
    return 1.0 / (2 * FIRST + 1);
  } else {
    constexpr int kHalf = COUNT / 2;
    return odd_reciprocals<FIRST + kHalf, kHalf, HALVINGS - 1>(powers) * powers[HALVINGS - 1] +
           odd_reciprocals<FIRST, kHalf, HALVINGS - 1>(powers);
  }
}

// log(1 + t) of t in [0, 1]: 2 atanh(s) = 2 s (1 + s^2 / 3 + s^4 / 5 + ...), s = t / (2 + t). s is at most 1/3, so the terms after the
// first 17 are below 2^-58 of the sum. The relative rounding error is below 8 * 2^-53: 2 from s, 5 from the sum, which is near 1, and 1
// from the product. The library's log1p branches on t. Margins differ from pair to pair, so the processor would often mispredict that
// branch.
DPO4J_HOST_DEVICE inline double log_1_plus(double t) {
  const double s = t / (2 + t), x = s * s, x2 = x * x, x4 = x2 * x2, x8 = x4 * x4;
  const double powers[4] = {x, x2, x4, x8};
  return 2 * s * (x8 * x8 * (1.0 / 33) + odd_reciprocals<0, 16, 4>(powers));
}

// log(1 + exp(x)) = -log sigmoid(-x), and its slope sigmoid(x).
struct Softplus {
  double value, slope;
};

DPO4J_HOST_DEVICE_CALL inline Softplus softplus(double x) {
  const double t = exp(-fabs(x));
  return {(x > 0 ? x : 0) + log_1_plus(t), (x < 0 ? t : 1) / (1 + t)};
}

// 1 / (1 + exp(-x)), and its slope sigmoid(x) sigmoid(-x).
struct Sigmoid {
  double value, slope;
};

DPO4J_HOST_DEVICE inline Sigmoid sigmoid(double x) {
  const double t = exp(-fabs(x)), large = 1 / (1 + t), small = t * large;
  return {x < 0 ? small : large, small * large};
}

}  // namespace dpo4j
