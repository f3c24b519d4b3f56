#include "call.h"
#include "workspace.h"

using dpo4j::Call;

int32_t dpo4j_rms_norm_forward(dpo4j_context* context, const dpo4j_rms_norm_forward_params* params) {
  Call call(context, "rms_norm_forward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_rms_norm_forward_params& p = *params;
  return call.dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("width", p.width)
      .extent("mean_width", p.mean_width)
      .require(p.mean_width <= p.width, "mean_width", "must be at most width")
      .require(dpo4j::finite(p.epsilon) && p.epsilon >= 0, "epsilon", "must be finite and not negative")
      .tensor("out", p.out)
      .tensor("rstd", p.rstd)
      .tensor_or_null("sum", p.sum)
      .tensor("x", p.x)
      .tensor_or_null("residual", p.residual)
      .require((p.sum == nullptr) == (p.residual == nullptr), "sum", "must be null where p.residual is, and only there")
      .tensor("weight", p.weight)
      .run(p);
}

size_t dpo4j_rms_norm_backward_workspace_bytes(int64_t rows, int64_t width) {
  return DPO4J_WORKSPACE_BYTES(rms_norm_backward_workspace_bytes, rows, width);
}

int32_t dpo4j_rms_norm_backward(dpo4j_context* context, const dpo4j_rms_norm_backward_params* params) {
  Call call(context, "rms_norm_backward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_rms_norm_backward_params& p = *params;
  return call.dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("width", p.width)
      .extent("mean_width", p.mean_width)
      .require(p.mean_width <= p.width, "mean_width", "must be at most width")
      .tensor("d_x", p.d_x)
      .tensor("d_weight", p.d_weight)
      .tensor("workspace", p.workspace)
      .tensor("d_out", p.d_out)
      .tensor_or_null("d_residual", p.d_residual)
      .tensor("x", p.x)
      .tensor("weight", p.weight)
      .tensor("rstd", p.rstd)
      .run(p);
}
