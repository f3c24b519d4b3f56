#include "call.h"
#include "workspace.h"

using dpo4j::Call;
using dpo4j::GradientNorm;

size_t dpo4j_gradient_norm_workspace_bytes(int64_t count) { return DPO4J_WORKSPACE_BYTES(gradient_norm_workspace_bytes, count); }

int32_t dpo4j_gradient_norm(dpo4j_context* context, float* norm, void* workspace, const float* gradient, int64_t count, float max_norm) {
  return Call(context, "gradient_norm")
      .count("count", count)
      .require(dpo4j::finite(max_norm) && max_norm >= 0, "max_norm", "must be finite and not negative")
      .tensor("norm", norm)
      .tensor("workspace", workspace)
      .tensor("gradient", gradient)
      .run(GradientNorm{norm, workspace, gradient, count, max_norm});
}
