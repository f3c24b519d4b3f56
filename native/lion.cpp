#include "weight_update.h"

using dpo4j::Call;
using dpo4j::is_amount;
using dpo4j::is_share;
using dpo4j::kAmount;
using dpo4j::kShare;
using dpo4j::Lion;

int32_t dpo4j_lion(dpo4j_context* context, const dpo4j_lion_params* params) {
  Call call(context, "lion");
  if (call.params(params).refused()) return call.status();
  const dpo4j_lion_options& o = params->options;
  const Lion p = {*params, static_cast<float>(1 - o.beta1), static_cast<float>(1 - o.beta2), static_cast<float>(o.weight_decay)};
  call.require(is_share(o.beta1), "options.beta1", kShare)
      .require(is_share(o.beta2), "options.beta2", kShare)
      .require(is_amount(o.weight_decay), "options.weight_decay", kAmount);
  return check_update(call, p).tensor("m", p.m).run(p);
}
