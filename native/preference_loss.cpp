#include "formulas/preference_loss.h"

#include <stdio.h>

#include "call.h"
#include "preference_uses.h"
#include "text.h"

using dpo4j::Call;
using dpo4j::finite;
using dpo4j::PreferenceLoss;
using dpo4j::Uses;

namespace {

void check_terms(Call& call, const dpo4j_preference& p) {
  call.option("terms", p.terms, p.terms >= 1 && p.terms <= DPO4J_TERMS, "must be in [1, 8]");
  for (int32_t term = 0; term < p.terms && !call.refused(); term++) {
    call.option("loss", p.loss[term], p.loss[term] >= 0 && p.loss[term] < DPO4J_LOSSES, "must be a dpo4j_loss");
    call.option("weight", p.weight[term], finite(p.weight[term]), "must be finite");
  }
}

// An option that some term reads is within its range; one that none reads is 0.
void check_option(Call& call, bool read, const char* name, float value, bool within, const char* wish) {
  if (read) {
    call.option(name, value, within, wish);
  } else {
    call.option(name, value, value == 0, "but no loss of these reads it: leave it out (0)");
  }
}

void check_divergence(Call& call, const dpo4j_preference& p, const Uses& uses) {
  const bool known = p.f_divergence_type >= DPO4J_DIVERGENCE_REVERSE_KL && p.f_divergence_type <= DPO4J_DIVERGENCE_ALPHA;
  call.option("f_divergence_type", p.f_divergence_type, known, "must be a dpo4j_divergence");
  if (!known || p.f_divergence_type == DPO4J_DIVERGENCE_REVERSE_KL) return;
  const char* divergence = dpo4j::kDivergenceNames[p.f_divergence_type];
  char wish[160];
  for (int32_t term = 0; term < p.terms; term++) {
    if (!dpo4j::takes_log_ratios(p.loss[term])) continue;
    snprintf(wish, sizeof wish, "%s is not defined for the loss %s, which takes reverse_kl alone: leave f_divergence_type out", divergence,
             dpo4j::kLossNames[p.loss[term]]);
    call.require(false, "f_divergence_type", wish);
  }
  snprintf(wish, sizeof wish, "%s is read by no loss of these: leave f_divergence_type out", divergence);
  call.require((uses.any & dpo4j::kDivergence) != 0, "f_divergence_type", wish);
}

void check_options(Call& call, const dpo4j_preference& p, const Uses& uses) {
  const auto read = [&uses](dpo4j::Use use) { return (uses.any & use) != 0; };
  call.option("beta", p.beta, finite(p.beta) && p.beta > 0, "must be finite and above 0");
  const bool smoothing = p.label_smoothing >= 0 && p.label_smoothing < 0.5f;
  check_option(call, read(dpo4j::kSmoothing), "label_smoothing", p.label_smoothing, smoothing, "must be at least 0 and below 0.5");
  call.option("label_smoothing", p.label_smoothing, !read(dpo4j::kNeedsSmoothing) || p.label_smoothing > 0, "must be above 0 for exo_pair");
  check_divergence(call, p, uses);
  const bool alpha_divergence = p.f_divergence_type == DPO4J_DIVERGENCE_ALPHA;
  check_option(call, alpha_divergence, "f_alpha_divergence_coef", p.f_alpha_divergence_coef, finite(p.f_alpha_divergence_coef),
               "must be finite");
  const bool tau = p.discopop_tau > 0 && p.discopop_tau <= 1;
  check_option(call, read(dpo4j::kTau), "discopop_tau", p.discopop_tau, tau, "must be above 0 and at most 1");
  const bool lambda = finite(p.dpop_lambda) && p.dpop_lambda >= 0;
  check_option(call, read(dpo4j::kLambda), "dpop_lambda", p.dpop_lambda, lambda, "must be finite and at least 0");
  check_option(call, read(dpo4j::kGamma), "simpo_gamma", p.simpo_gamma, finite(p.simpo_gamma), "must be finite");
  check_option(call, read(dpo4j::kAlpha), "alphapo_alpha", p.alphapo_alpha, finite(p.alphapo_alpha), "must be finite");
  call.flag("use_weighting", p.use_weighting);
  call.option("use_weighting", p.use_weighting, p.use_weighting == 0 || (uses.all & dpo4j::kWeighting) != 0,
              "but aot, aot_unpaired and sft are not sums over pairs that could be weighed: leave it out (0)");
}

Uses check_preference(Call& call, const dpo4j_preference& p) {
  check_terms(call, p);
  const Uses uses = call.refused() ? Uses{} : dpo4j::uses_of(p);
  if (!call.refused()) check_options(call, p, uses);
  return uses;
}

void check_inputs(Call& call, const PreferenceLoss& x, const Uses& uses) {
  const bool used = (uses.any & dpo4j::kReference) != 0;
  call.require(used || x.reference == nullptr, "reference", "must be null: no term has a reference");
  call.require((uses.any & dpo4j::kNeedsReference) == 0 || x.reference != nullptr, "reference", "is null, but dpop measures from one");
  const bool needs_lengths = (uses.any & dpo4j::kLengths) != 0 || x.statistics != nullptr;
  call.require(!needs_lengths || x.lengths != nullptr, "lengths", "is null, but a term averages, or there are statistics");
  call.require(x.preference.use_weighting == 0 || x.statistics != nullptr, "statistics", "is null, but weighting reads its log weights");
  call.require((uses.any & dpo4j::kRunningMean) != 0 || x.running_mean == nullptr, "running_mean", "must be null: no term is bco_pair");
  if (x.scales != nullptr) {
    call.option("pair_scale", x.pair_scale, x.pair_scale == 0, "but scales is given: leave it out (0)");
    call.option("token_scale", x.token_scale, x.token_scale == 0, "but scales is given: leave it out (0)");
    return;
  }
  call.require(finite(x.pair_scale), "pair_scale", "must be finite");
  if ((uses.any & dpo4j::kTokenScale) != 0) {
    call.require(finite(x.token_scale) && x.token_scale > 0, "token_scale", "must be finite and above 0 for the sft term");
    call.require(x.pair_scale != 0, "pair_scale", "must not be 0 where there is an sft term");
  } else {
    call.require(x.token_scale == 0, "token_scale", "must be 0: no term is sft");
  }
}

}  // namespace

int32_t dpo4j_preference_check(const dpo4j_preference* preference, char* text, size_t text_bytes) {
  dpo4j_context context{};
  Call call(&context, "preference options");
  call.options("preference", preference);
  if (!call.refused()) check_preference(call, *preference);
  dpo4j::copy_text(text, text_bytes, context.text);
  return call.status();
}

size_t dpo4j_preference_loss_workspace_bytes(int64_t pairs, const dpo4j_preference* preference) {
  const bool sorted = preference != nullptr && preference->terms <= DPO4J_TERMS && dpo4j::sorts(*preference);
  return sorted && pairs > 0 && pairs <= INT32_MAX ? dpo4j::orders_bytes(pairs) : 0;
}

int32_t dpo4j_preference_loss(dpo4j_context* context, float* losses, float* d_sums, double* metrics, double* running_mean, void* workspace,
                              const float* sums, const float* reference, const int32_t* lengths, const float* statistics, int64_t pairs,
                              float pair_scale, float token_scale, const float* scales, const dpo4j_preference* preference) {
  const dpo4j_preference p = preference != nullptr ? *preference : dpo4j_preference{};
  const PreferenceLoss x{losses,  d_sums,     metrics, running_mean, workspace,   sums,   reference,
                         lengths, statistics, pairs,   pair_scale,   token_scale, scales, p};
  Call call(context, "preference_loss");
  call.options("preference", preference);
  const Uses uses = check_preference(call, p);
  call.rows("pairs", pairs)
      .words("losses", losses)
      .words("d_sums", d_sums)
      .tensor_or_null("metrics", metrics)
      .tensor_or_null("running_mean", running_mean)
      .words("sums", sums)
      .words_or_null("reference", reference)
      .words_or_null("lengths", lengths)
      .tensor_or_null("statistics", statistics)
      .words_or_null("scales", scales);
  if (!call.refused() && dpo4j::sorts(p)) call.tensor("workspace", workspace);
  if (!call.skipped()) check_inputs(call, x, uses);
  return call.run(x);
}
