#include "weight_update.h"

using dpo4j::Call;
using dpo4j::is_amount;
using dpo4j::kAmount;
using dpo4j::Sgd;

int32_t dpo4j_sgd(dpo4j_context* context, const dpo4j_sgd_params* params) {
  Call call(context, "sgd");
  if (call.params(params).refused()) return call.status();
  const dpo4j_sgd_options& o = params->options;
  const Sgd p = {*params, static_cast<float>(o.momentum), static_cast<float>(1 - o.dampening), static_cast<float>(o.weight_decay)};
  call.require(is_amount(o.momentum), "options.momentum", kAmount)
      .require(is_amount(1 - o.dampening), "options.dampening", "must be finite in fp32 and at most 1")
      .require(is_amount(o.weight_decay), "options.weight_decay", kAmount)
      .flag("nesterov", p.nesterov)
      .require(p.nesterov == 0 || o.momentum > 0, "nesterov", "needs a momentum above 0");
  return check_update(call, p)
      .tensor_or_null("velocity", p.velocity)
      .require((p.velocity != nullptr) == (o.momentum > 0) || p.count == 0, "velocity",
               "must be given if momentum is above 0, and null if it is 0")
      .words_or_null("steps", p.steps)
      .require(p.steps != nullptr || o.dampening == 0 || p.count == 0, "steps", "may be null only if dampening is 0")
      .run(p);
}
