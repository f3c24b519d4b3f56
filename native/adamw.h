// The params of adamw that native/adamw.cpp makes for cpu::run and cuda::run.
#pragma once

#include "dpo4j.h"

namespace dpo4j {

// With the options rounded to fp32.
struct Adamw : dpo4j_adamw_params {
  float share1, share2;  // 1 - beta1, 1 - beta2: the weight of the gradient, and of its square, in the new moments
  float epsilon, weight_decay;
};

}  // namespace dpo4j
