#include "weight_update.h"

using dpo4j::Adamw;
using dpo4j::Call;
using dpo4j::is_amount;
using dpo4j::is_share;
using dpo4j::kAmount;
using dpo4j::kShare;

int32_t dpo4j_adamw(dpo4j_context* context, const dpo4j_adamw_params* params) {
  Call call(context, "adamw");
  if (call.params(params).refused()) return call.status();
  const dpo4j_adamw_options& o = params->options;
  const Adamw p = {*params, static_cast<float>(1 - o.beta1), static_cast<float>(1 - o.beta2), static_cast<float>(o.epsilon),
                   static_cast<float>(o.weight_decay)};
  call.dtype("moments_dtype", p.moments_dtype)
      .require(is_share(o.beta1), "options.beta1", kShare)
      .require(is_share(o.beta2), "options.beta2", kShare)
      .require(is_amount(o.epsilon), "options.epsilon", kAmount)
      .require(is_amount(o.weight_decay), "options.weight_decay", kAmount);
  return check_update(call, p)
      .require(p.moments_dtype == DPO4J_F32 || p.random != nullptr || p.count == 0, "moments_dtype",
               "must be DPO4J_F32 where random is null: it rounds moments of DPO4J_BF16")
      .tensor("m", p.m)
      .tensor("v", p.v)
      .run(p);
}
