#include "call.h"
#include "workspace.h"

using dpo4j::Call;

size_t dpo4j_gradient_norm_workspace_bytes(int64_t count) { return DPO4J_WORKSPACE_BYTES(gradient_norm_workspace_bytes, count); }

int32_t dpo4j_gradient_norm(dpo4j_context* context, const dpo4j_gradient_norm_params* params) {
  Call call(context, "gradient_norm");
  if (call.params(params).refused()) return call.status();
  const dpo4j_gradient_norm_params& p = *params;
  return call.count("count", p.count)
      .require(dpo4j::finite(p.max_norm) && p.max_norm >= 0, "max_norm", "must be finite and not negative")
      .tensor("norm", p.norm)
      .tensor("workspace", p.workspace)
      .tensor("gradient", p.gradient)
      .run(p);
}
