#include "call.h"

using dpo4j::Call;
using dpo4j::finite;
using dpo4j::UnpairedLoss;

int32_t dpo4j_unpaired_loss(dpo4j_context* context, float* losses, float* d_sums, double* metrics, const float* sums,
                            const float* reference, const int32_t* desirable, const float* kl_sums, const float* kl_reference,
                            const int32_t* lengths, const float* statistics, int64_t completions, int64_t kl_completions, float scale,
                            const dpo4j_unpaired_options* options) {
  const dpo4j_unpaired_options o = options != nullptr ? *options : dpo4j_unpaired_options{};
  const bool desirable_weight = finite(o.desirable_weight) && o.desirable_weight >= 0;
  const bool undesirable_weight = finite(o.undesirable_weight) && o.undesirable_weight >= 0;
  Call call(context, "unpaired_loss");
  call.options("options", options)
      .require(o.loss >= 0 && o.loss < DPO4J_UNPAIRED_LOSSES, "options.loss", "must be a dpo4j_unpaired")
      .require(finite(o.beta) && o.beta > 0, "options.beta", "must be finite and above 0")
      .require(desirable_weight, "options.desirable_weight", "must be finite and at least 0")
      .require(undesirable_weight, "options.undesirable_weight", "must be finite and at least 0")
      .require(finite(scale), "scale", "must be finite")
      .require(kl_completions >= 0, "kl_completions", "must be at least 0")
      .require(o.loss == DPO4J_UNPAIRED_KTO || kl_completions == 0, "kl_completions", "must be 0: apo_zero has no baseline")
      .rows("completions", completions)
      .words("losses", losses)
      .words("d_sums", d_sums)
      .tensor_or_null("metrics", metrics)
      .words("sums", sums)
      .words("reference", reference)
      .words("desirable", desirable)
      .words_or_null("lengths", lengths)
      .tensor_or_null("statistics", statistics)
      .require(statistics == nullptr || lengths != nullptr, "lengths", "is null, but there are statistics");
  if (kl_completions > 0) call.words("kl_sums", kl_sums).words("kl_reference", kl_reference);
  return call.run(UnpairedLoss{losses, d_sums, metrics, sums, reference, desirable, kl_sums, kl_reference, lengths, statistics, completions,
                               kl_completions, scale, o});
}
