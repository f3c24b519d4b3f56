#include "call.h"

using dpo4j::Adamw;
using dpo4j::Call;
using dpo4j::finite;

namespace {

constexpr int64_t kElementsPerCounter = 8;

}  // namespace

int32_t dpo4j_adamw(dpo4j_context* context, const dpo4j_adamw_params* params) {
  Call call(context, "adamw");
  if (call.params(params).refused()) return call.status();
  const dpo4j_adamw_options& o = params->options;
  const float epsilon = static_cast<float>(o.epsilon), weight_decay = static_cast<float>(o.weight_decay);
  const float share1 = static_cast<float>(1 - o.beta1), share2 = static_cast<float>(1 - o.beta2);
  const Adamw p = {*params, share1, share2, epsilon, weight_decay};
  return call.dtype("dtype", p.dtype)
      .dtype("moments_dtype", p.moments_dtype)
      .require(o.beta1 >= 0 && o.beta1 < 1, "options.beta1", "must be at least 0 and below 1")
      .require(o.beta2 >= 0 && o.beta2 < 1, "options.beta2", "must be at least 0 and below 1")
      .require(finite(epsilon) && o.epsilon >= 0, "options.epsilon", "must be finite in fp32 and not negative")
      .require(finite(weight_decay) && o.weight_decay >= 0, "options.weight_decay", "must be finite in fp32 and not negative")
      .count("count", p.count)
      .tensor("parameter", p.parameter)
      .tensor_or_null("master", p.master)
      .words_or_null("random", p.random)
      .require(p.random == nullptr || p.dtype == DPO4J_BF16, "random", "rounds DPO4J_BF16 parameters, must be null for others")
      .require(p.random == nullptr || p.master == nullptr, "master",
               "must be null where random is given: one of the two keeps the parameter exact")
      .require(p.dtype == DPO4J_F32 || p.master != nullptr || p.random != nullptr || p.count == 0, "master",
               "is null, must hold the exact value of DPO4J_BF16 parameters that random does not round")
      .require(p.moments_dtype == DPO4J_F32 || p.random != nullptr || p.count == 0, "moments_dtype",
               "must be DPO4J_F32 where random is null: it rounds moments of DPO4J_BF16")
      .require(p.first >= 0 && p.first % kElementsPerCounter == 0, "first", "must be a multiple of 8, and not negative")
      .tensor("m", p.m)
      .tensor("v", p.v)
      .tensor("gradient", p.gradient)
      .tensor("rates", p.rates)
      .words_or_null("clip", p.clip)
      .run(p);
}
