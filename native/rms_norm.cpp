#include "call.h"
#include "workspace.h"

using dpo4j::Call;
using dpo4j::RmsNormBackward;
using dpo4j::RmsNormForward;

int32_t dpo4j_rms_norm_forward(dpo4j_context* context, void* out, float* rstd, void* sum, const void* x, const void* residual,
                               const void* weight, int64_t rows, int64_t width, float epsilon, int32_t dtype) {
  return Call(context, "rms_norm_forward")
      .dtype("dtype", dtype)
      .rows("rows", rows)
      .extent("width", width)
      .require(dpo4j::finite(epsilon) && epsilon >= 0, "epsilon", "must be finite and not negative")
      .tensor("out", out)
      .tensor("rstd", rstd)
      .tensor_or_null("sum", sum)
      .tensor("x", x)
      .tensor_or_null("residual", residual)
      .require((sum == nullptr) == (residual == nullptr), "sum", "must be null where residual is, and only there")
      .tensor("weight", weight)
      .run(RmsNormForward{out, rstd, sum, x, residual, weight, rows, width, epsilon, dtype});
}

size_t dpo4j_rms_norm_backward_workspace_bytes(int64_t rows, int64_t width) {
  return DPO4J_WORKSPACE_BYTES(rms_norm_backward_workspace_bytes, rows, width);
}

int32_t dpo4j_rms_norm_backward(dpo4j_context* context, void* d_x, float* d_weight, void* workspace, const void* d_out,
                                const void* d_residual, const void* x, const void* weight, const float* rstd, int64_t rows, int64_t width,
                                int32_t dtype) {
  return Call(context, "rms_norm_backward")
      .dtype("dtype", dtype)
      .rows("rows", rows)
      .extent("width", width)
      .tensor("d_x", d_x)
      .tensor("d_weight", d_weight)
      .tensor("workspace", workspace)
      .tensor("d_out", d_out)
      .tensor_or_null("d_residual", d_residual)
      .tensor("x", x)
      .tensor("weight", weight)
      .tensor("rstd", rstd)
      .run(RmsNormBackward{d_x, d_weight, workspace, d_out, d_residual, x, weight, rstd, rows, width, dtype});
}
