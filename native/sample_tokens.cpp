#include "call.h"

using dpo4j::Call;

int32_t dpo4j_sample_tokens(dpo4j_context* context, const dpo4j_sample_tokens_params* params) {
  Call call(context, "sample_tokens");
  if (call.params(params).refused()) return call.status();
  const dpo4j_sample_tokens_params& p = *params;
  const auto in_unit = [](float value) { return value >= 0 && value <= 1; };
  const float penalty = p.repetition_penalty;
  return call.rows("rows", p.rows)
      .extent("vocabulary", p.vocabulary)
      .stride("logits_stride", p.logits_stride, "vocabulary", p.vocabulary, DPO4J_F32)
      .transform(p.transform)
      .option("repetition_penalty", penalty, dpo4j::finite(penalty) && penalty > 0, "must be finite and above 0")
      .option("temperature", p.temperature, p.temperature == 0 || (p.temperature >= 1e-30f && p.temperature <= 1e30f),
              "must be from 1e-30 to 1e30, or 0 for greedy")
      .option("top_p", p.top_p, in_unit(p.top_p), "must be in [0, 1]")
      .option("min_p", p.min_p, in_unit(p.min_p), "must be in [0, 1]")
      .option("top_k", p.top_k, p.top_k >= 0, "must be at least 0")
      .option("min_new_tokens", p.min_new_tokens, p.min_new_tokens >= 0, "must be at least 0")
      .words("tokens", p.tokens)
      .tensor("logits", p.logits)
      .words_or_null("logits_rows", p.logits_rows)
      .words_or_null("seen", p.seen)
      .words_or_null("seen_rows", p.seen_rows)
      .words_or_null("suppressed", p.suppressed)
      .words("draws", p.draws)
      .require(p.seen != nullptr || penalty == 1, "seen", "must not be null with a repetition_penalty")
      .require(p.seen == nullptr || p.seen_stride >= (p.vocabulary + 31) / 32, "seen_stride", "must be at least (vocabulary + 31) / 32")
      .run(p);
}
