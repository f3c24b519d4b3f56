#include "weight_update.h"

using dpo4j::Call;
using dpo4j::is_amount;
using dpo4j::is_share;
using dpo4j::kAmount;
using dpo4j::kShare;
using dpo4j::Rmsprop;

int32_t dpo4j_rmsprop(dpo4j_context* context, const dpo4j_rmsprop_params* params) {
  Call call(context, "rmsprop");
  if (call.params(params).refused()) return call.status();
  const dpo4j_rmsprop_options& o = params->options;
  const Rmsprop p = {*params, static_cast<float>(1 - o.alpha), static_cast<float>(o.epsilon), static_cast<float>(o.momentum),
                     static_cast<float>(o.weight_decay)};
  call.require(is_share(o.alpha), "options.alpha", kShare)
      .require(is_amount(o.epsilon), "options.epsilon", kAmount)
      .require(is_amount(o.momentum), "options.momentum", kAmount)
      .require(is_amount(o.weight_decay), "options.weight_decay", kAmount);
  return check_update(call, p)
      .tensor("square", p.square)
      .tensor_or_null("mean", p.mean)
      .tensor_or_null("velocity", p.velocity)
      .require((p.velocity != nullptr) == (o.momentum > 0) || p.count == 0, "velocity",
               "must be given if momentum is above 0, and null if it is 0")
      .run(p);
}
