#include "call.h"

using dpo4j::Call;

int32_t dpo4j_residual_forward(dpo4j_context* context, const dpo4j_residual_forward_params* params) {
  Call call(context, "residual_forward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_residual_forward_params& p = *params;
  return call.dtype("dtype", p.dtype).count("count", p.count).tensor("out", p.out).tensor("a", p.a).tensor("b", p.b).run(p);
}
