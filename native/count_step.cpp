#include "weight_update.h"

using dpo4j::Call;
using dpo4j::is_share;
using dpo4j::kShare;

int32_t dpo4j_count_step(dpo4j_context* context, const dpo4j_count_step_params* params) {
  Call call(context, "count_step");
  if (call.params(params).refused()) return call.status();
  const dpo4j_count_step_params& p = *params;
  call.require(p.count >= 0, "count", "must not be negative")
      .require(is_share(p.beta1), "beta1", kShare)
      .require(is_share(p.beta2), "beta2", kShare)
      .words("clip", p.clip)
      .words("steps", p.steps)
      .words_or_null("corrections", p.corrections)
      .tensor_or_null("loss", p.loss);
  if (p.count > 0) call.tensor("sums", p.sums).tensor("kept", p.kept);
  return call.run(p);
}
