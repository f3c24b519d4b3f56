// The bias correction of AdamW's moments, for both the CUDA kernel and the CPU.
#pragma once

#include <stdint.h>

#include "host_device.h"

namespace dpo4j {

// base^exponent by repeated squaring, in a fixed order. Each product is rounded once, and squaring doubles the relative error of its factor,
// so the error is at most 2 exponent ulp. The exponent is not negative.
DPO4J_HOST_DEVICE inline double power(double base, int32_t exponent) {
  double result = 1;
  for (; exponent > 0; exponent /= 2) {
    if (exponent % 2 == 1) result *= base;
    base *= base;
  }
  return result;
}

// 1 / (1 - beta^steps)
DPO4J_HOST_DEVICE inline float bias_correction(double beta, int32_t steps) { return static_cast<float>(1 / (1 - power(beta, steps))); }

}  // namespace dpo4j
