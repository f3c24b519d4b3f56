// Checks that all optimizers share: of the weights, and of what a step reads beside the optimizer's state.
#pragma once

#include "call.h"

namespace dpo4j {

constexpr int64_t kElementsPerCounter = 8;

template <class Params>
Call& check_update(Call& call, const Params& p) {
  return call.dtype("dtype", p.dtype)
      .count("count", p.count)
      .tensor("parameter", p.parameter)
      .tensor_or_null("master", p.master)
      .words_or_null("random", p.random)
      .require(p.random == nullptr || p.dtype == DPO4J_BF16, "random", "rounds DPO4J_BF16 parameters, must be null for others")
      .require(p.random == nullptr || p.master == nullptr, "master",
               "must be null where random is given: one of the two keeps the parameter exact")
      .require(p.dtype == DPO4J_F32 || p.master != nullptr || p.random != nullptr || p.count == 0, "master",
               "is null, must hold the exact value of DPO4J_BF16 parameters that random does not round")
      .require(p.first >= 0 && p.first % kElementsPerCounter == 0, "first", "must be a multiple of 8, and not negative")
      .tensor("gradient", p.gradient)
      .tensor("rates", p.rates)
      .words_or_null("clip", p.clip);
}

inline bool is_share(double value) { return value >= 0 && value < 1; }
constexpr const char* kShare = "must be at least 0 and below 1";

// A number that is finite in fp32 and not negative.
inline bool is_amount(double value) { return finite(static_cast<float>(value)) && value >= 0; }
constexpr const char* kAmount = "must be finite in fp32 and not negative";

}  // namespace dpo4j
