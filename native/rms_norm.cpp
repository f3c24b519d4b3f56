#include "call.h"
#include "workspace.h"

using dpo4j::Call;

namespace {

// The sizes that forward and backward have in common.
template <class Params>
Call& check_shape(Call& call, const Params& p) {
  const auto holds_row = [&p](int64_t stride) { return p.width > 0 && stride / p.width >= p.groups; };
  return call.dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("groups", p.groups)
      .require(p.groups <= 65535, "groups", "must be at most 65535")
      .extent("width", p.width)
      .extent("mean_width", p.mean_width)
      .require(p.mean_width <= p.width, "mean_width", "must be at most width")
      .extent("out_stride", p.out_stride)
      .require(holds_row(p.out_stride), "out_stride", "must be at least groups * width")
      .extent("x_stride", p.x_stride)
      .require(holds_row(p.x_stride), "x_stride", "must be at least groups * width")
      .require(dpo4j::finite(p.weight_offset), "weight_offset", "must be finite");
}

}  // namespace

int32_t dpo4j_rms_norm_forward(dpo4j_context* context, const dpo4j_rms_norm_forward_params* params) {
  Call call(context, "rms_norm_forward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_rms_norm_forward_params& p = *params;
  return check_shape(call, p)
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
  return check_shape(call, p)
      .tensor("d_x", p.d_x)
      .tensor_or_null("d_weight", p.d_weight)
      .tensor("workspace", p.workspace)
      .tensor("d_out", p.d_out)
      .tensor_or_null("d_residual", p.d_residual)
      .tensor("x", p.x)
      .tensor("weight", p.weight)
      .tensor("rstd", p.rstd)
      .run(p);
}
