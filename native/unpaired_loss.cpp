#include "call.h"

using dpo4j::Call;
using dpo4j::finite;

int32_t dpo4j_unpaired_loss(dpo4j_context* context, const dpo4j_unpaired_loss_params* params) {
  Call call(context, "unpaired_loss");
  if (call.params(params).refused()) return call.status();
  const dpo4j_unpaired_loss_params& x = *params;
  const dpo4j_unpaired_options& o = x.options;
  const bool desirable_weight = finite(o.desirable_weight) && o.desirable_weight >= 0;
  const bool undesirable_weight = finite(o.undesirable_weight) && o.undesirable_weight >= 0;
  call.require(o.loss >= 0 && o.loss < DPO4J_UNPAIRED_LOSSES, "options.loss", "must be a dpo4j_unpaired")
      .require(finite(o.beta) && o.beta > 0, "options.beta", "must be finite and above 0")
      .require(desirable_weight, "options.desirable_weight", "must be finite and at least 0")
      .require(undesirable_weight, "options.undesirable_weight", "must be finite and at least 0")
      .require(finite(x.scale), "scale", "must be finite")
      .require(x.scale_at == nullptr || x.scale == 0, "scale", "must be 0: scale_at is given")
      .require(x.kl_completions >= 0, "kl_completions", "must be at least 0")
      .require(o.loss == DPO4J_UNPAIRED_KTO || x.kl_completions == 0, "kl_completions", "must be 0: apo_zero has no baseline")
      .rows("completions", x.completions)
      .words("losses", x.losses)
      .words("d_sums", x.d_sums)
      .tensor_or_null("metrics", x.metrics)
      .words("sums", x.sums)
      .words("reference", x.reference)
      .words("desirable", x.desirable)
      .words_or_null("lengths", x.lengths)
      .tensor_or_null("statistics", x.statistics)
      .words_or_null("scale_at", x.scale_at)
      .require(x.statistics == nullptr || x.lengths != nullptr, "lengths", "is null, but there are statistics");
  if (x.kl_completions > 0) call.words("kl_sums", x.kl_sums).words("kl_reference", x.kl_reference);
  return call.run(x);
}
