#include "call.h"
#include "workspace.h"

using dpo4j::Call;

namespace {

// The sizes that forward and backward have in common.
template <class Params>
Call& check_shape(Call& call, const Params& p) {
  return call.dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("width", p.width)
      .extent("mean_width", p.mean_width)
      .require(p.mean_width <= p.width, "mean_width", "must be at most width");
}

}  // namespace

int32_t dpo4j_layer_norm_forward(dpo4j_context* context, const dpo4j_layer_norm_forward_params* params) {
  Call call(context, "layer_norm_forward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_layer_norm_forward_params& p = *params;
  return check_shape(call, p)
      .require(dpo4j::finite(p.epsilon) && p.epsilon >= 0, "epsilon", "must be finite and not negative")
      .tensor("out", p.out)
      .tensor("mean", p.mean)
      .tensor("rstd", p.rstd)
      .tensor_or_null("sum", p.sum)
      .tensor("x", p.x)
      .tensor_or_null("residual", p.residual)
      .require((p.sum == nullptr) == (p.residual == nullptr), "sum", "must be null where p.residual is, and only there")
      .tensor("weight", p.weight)
      .tensor("bias", p.bias)
      .run(p);
}

size_t dpo4j_layer_norm_backward_workspace_bytes(int64_t rows, int64_t width) {
  return DPO4J_WORKSPACE_BYTES(layer_norm_backward_workspace_bytes, rows, width);
}

int32_t dpo4j_layer_norm_backward(dpo4j_context* context, const dpo4j_layer_norm_backward_params* params) {
  Call call(context, "layer_norm_backward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_layer_norm_backward_params& p = *params;
  return check_shape(call, p)
      .tensor("d_x", p.d_x)
      .tensor_or_null("d_weight", p.d_weight)
      .tensor_or_null("d_bias", p.d_bias)
      .require((p.d_weight == nullptr) == (p.d_bias == nullptr), "d_bias", "must be null where p.d_weight is, and only there")
      .tensor("workspace", p.workspace)
      .tensor("d_out", p.d_out)
      .tensor_or_null("d_residual", p.d_residual)
      .tensor("x", p.x)
      .tensor("weight", p.weight)
      .tensor("mean", p.mean)
      .tensor("rstd", p.rstd)
      .run(p);
}
