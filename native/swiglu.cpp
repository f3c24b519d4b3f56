#include "call.h"

using dpo4j::Call;

int32_t dpo4j_swiglu_forward(dpo4j_context* context, const dpo4j_swiglu_forward_params* params) {
  Call call(context, "swiglu_forward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_swiglu_forward_params& p = *params;
  return call.dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("width", p.width)
      .tensor("out", p.out)
      .tensor("gate_up", p.gate_up)
      .run(p);
}

int32_t dpo4j_swiglu_backward(dpo4j_context* context, const dpo4j_swiglu_backward_params* params) {
  Call call(context, "swiglu_backward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_swiglu_backward_params& p = *params;
  return call.dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("width", p.width)
      .tensor("d_gate_up", p.d_gate_up)
      .tensor("d_out", p.d_out)
      .tensor("gate_up", p.gate_up)
      .run(p);
}
