#include "call.h"

using dpo4j::Call;

namespace {

Call& check_function(Call& call, int32_t kind, int32_t gated) {
  const bool known = kind >= DPO4J_ACTIVATION_SILU && kind <= DPO4J_ACTIVATION_GELU_TANH;
  return call.option("kind", kind, known, "must be a dpo4j_activation_kind").flag("gated", gated);
}

}  // namespace

int32_t dpo4j_activation_forward(dpo4j_context* context, const dpo4j_activation_forward_params* params) {
  Call call(context, "activation_forward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_activation_forward_params& p = *params;
  return check_function(call, p.kind, p.gated)
      .dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("width", p.width)
      .tensor("out", p.out)
      .tensor("x", p.x)
      .run(p);
}

int32_t dpo4j_activation_backward(dpo4j_context* context, const dpo4j_activation_backward_params* params) {
  Call call(context, "activation_backward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_activation_backward_params& p = *params;
  return check_function(call, p.kind, p.gated)
      .dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("width", p.width)
      .tensor("d_x", p.d_x)
      .tensor("d_out", p.d_out)
      .tensor("x", p.x)
      .run(p);
}
