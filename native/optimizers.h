// The params of optimizers that native/<optimizer>.cpp makes for cpu::run and cuda::run: with the options rounded to fp32. 1 - beta is
// computed in fp64 before it is rounded.
#pragma once

#include "dpo4j.h"

namespace dpo4j {

struct Adamw : dpo4j_adamw_params {
  float share1, share2;  // 1 - beta1, 1 - beta2: the weight of the gradient, and of its square, in the new moments
  float epsilon, weight_decay;
};

struct Adamw8bit : dpo4j_adamw_8bit_params {
  float share1, share2;
  float epsilon, weight_decay;
};

struct Sgd : dpo4j_sgd_params {
  float momentum, share, weight_decay;  // share = 1 - dampening
};

struct Rmsprop : dpo4j_rmsprop_params {
  float share;  // 1 - alpha
  float epsilon, momentum, weight_decay;
};

struct Lion : dpo4j_lion_params {
  float share1, share2;  // 1 - beta1, 1 - beta2
  float weight_decay;
};

}  // namespace dpo4j
