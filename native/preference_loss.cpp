#include "call.h"

using dpo4j::Call;
using dpo4j::finite;
using dpo4j::PreferenceLoss;

int32_t dpo4j_preference_loss(dpo4j_context* context, float* losses, float* d_sums, double* metrics, const float* sums,
                              const float* reference, int64_t pairs, const dpo4j_preference* preference) {
  const dpo4j_preference p = preference != nullptr ? *preference : dpo4j_preference{};
  return Call(context, "preference_loss")
      .options("preference", preference)
      .require(p.loss == DPO4J_LOSS_SIGMOID, "preference.loss", "must be DPO4J_LOSS_SIGMOID (0)")
      .require(finite(p.beta) && p.beta > 0, "preference.beta", "must be finite and above 0")
      .require(p.label_smoothing >= 0 && p.label_smoothing < 0.5f, "preference.label_smoothing", "must be at least 0 and below 0.5")
      .require(finite(p.gradient_scale), "preference.gradient_scale", "must be finite")
      .rows("pairs", pairs)
      .tensor("losses", losses)
      .tensor("d_sums", d_sums)
      .tensor_or_null("metrics", metrics)
      .tensor("sums", sums)
      .tensor_or_null("reference", reference)
      .run(PreferenceLoss{losses, d_sums, metrics, sums, reference, pairs, p});
}
