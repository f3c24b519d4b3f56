#include "formulas/preference_loss.h"

#include <stdio.h>

#include "call.h"
#include "text.h"

using dpo4j::Call;
using dpo4j::finite;

namespace {

// The names of dpo4j_divergence, as messages give them.
constexpr const char* kDivergenceNames[] = {"reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"};

// The dpo4j_trait bits that some term has, and those that all terms have.
struct Traits {
  uint32_t some = 0, all = ~0u;
  bool some_has(uint32_t trait) const { return (some & trait) != 0; }
  bool all_have(uint32_t trait) const { return (all & trait) != 0; }
};

// Whether a loss takes log-ratios themselves, not their scores. It is then defined for reverse_kl alone: the scores of another divergence
// are known up to a number that depends on the prompt, which cancels only in chosen minus rejected (Wang et al. 2024, theorem 1).
bool takes_log_ratios(int32_t loss) {
  return (dpo4j::kLosses[loss].traits & (DPO4J_TRAIT_REFERENCE | DPO4J_TRAIT_DIVERGENCE)) == DPO4J_TRAIT_REFERENCE;
}

// The first of the terms whose loss has a trait, by name.
const char* first_with(const dpo4j_preference& p, uint32_t trait) {
  for (int32_t term = 0; term < p.terms; term++) {
    if ((dpo4j::kLosses[p.loss[term]].traits & trait) != 0) return dpo4j::kLosses[p.loss[term]].name;
  }
  return "";
}

void check_terms(Call& call, const dpo4j_preference& p) {
  call.option("terms", p.terms, p.terms >= 1 && p.terms <= DPO4J_TERMS, "must be in [1, 8]");
  for (int32_t term = 0; term < p.terms && !call.refused(); term++) {
    call.option("loss", p.loss[term], p.loss[term] >= 0 && p.loss[term] < DPO4J_LOSSES, "must be a dpo4j_loss");
    call.option("weight", p.weight[term], finite(p.weight[term]), "must be finite");
  }
}

// Requires that an option is within its range if some term reads it, and 0 otherwise.
void check_option(Call& call, bool read, const char* name, float value, bool within, const char* requirement) {
  if (read) {
    call.option(name, value, within, requirement);
  } else {
    call.option(name, value, value == 0, "but no loss of these reads it: leave it out (0)");
  }
}

void check_divergence(Call& call, const dpo4j_preference& p, const Traits& traits) {
  const bool known = p.f_divergence_type >= DPO4J_DIVERGENCE_REVERSE_KL && p.f_divergence_type <= DPO4J_DIVERGENCE_ALPHA;
  call.option("f_divergence_type", p.f_divergence_type, known, "must be a dpo4j_divergence");
  if (!known || p.f_divergence_type == DPO4J_DIVERGENCE_REVERSE_KL) return;
  const char* divergence = kDivergenceNames[p.f_divergence_type];
  char requirement[160];
  for (int32_t term = 0; term < p.terms; term++) {
    if (!takes_log_ratios(p.loss[term])) continue;
    snprintf(requirement, sizeof requirement,
             "%s is not defined for the loss %s, which takes reverse_kl alone: leave f_divergence_type out", divergence,
             dpo4j::kLosses[p.loss[term]].name);
    call.require(false, "f_divergence_type", requirement);
  }
  snprintf(requirement, sizeof requirement, "%s is read by no loss of these: leave f_divergence_type out", divergence);
  call.require(traits.some_has(DPO4J_TRAIT_DIVERGENCE), "f_divergence_type", requirement);
}

void check_options(Call& call, const dpo4j_preference& p, const Traits& traits) {
  call.option("beta", p.beta, finite(p.beta) && p.beta > 0, "must be finite and above 0");
  const bool smoothing = p.label_smoothing >= 0 && p.label_smoothing < 0.5f;
  check_option(call, traits.some_has(DPO4J_TRAIT_SMOOTHING), "label_smoothing", p.label_smoothing, smoothing,
               "must be at least 0 and below 0.5");
  if (traits.some_has(DPO4J_TRAIT_NEEDS_SMOOTHING)) {
    char requirement[64];
    snprintf(requirement, sizeof requirement, "must be above 0 for %s", first_with(p, DPO4J_TRAIT_NEEDS_SMOOTHING));
    call.option("label_smoothing", p.label_smoothing, p.label_smoothing > 0, requirement);
  }
  check_divergence(call, p, traits);
  check_option(call, p.f_divergence_type == DPO4J_DIVERGENCE_ALPHA, "f_alpha_divergence_coef", p.f_alpha_divergence_coef,
               finite(p.f_alpha_divergence_coef), "must be finite");
  for (const dpo4j::LossOption& option : dpo4j::kLossOptions) {
    const float value = p.*option.value;
    check_option(call, traits.some_has(option.trait), option.name, value, value >= option.min && value <= option.max, option.requirement);
  }
  call.flag("use_weighting", p.use_weighting);
  call.option("use_weighting", p.use_weighting, p.use_weighting == 0 || traits.all_have(DPO4J_TRAIT_WEIGHTING),
              "but aot, aot_unpaired and sft are not sums over pairs that could be weighed: leave it out (0)");
}

Traits check_preference(Call& call, const dpo4j_preference& p) {
  check_terms(call, p);
  Traits traits;
  if (call.refused()) return traits;
  for (int32_t term = 0; term < p.terms; term++) {
    traits.some |= dpo4j::kLosses[p.loss[term]].traits;
    traits.all &= dpo4j::kLosses[p.loss[term]].traits;
  }
  check_options(call, p, traits);
  return traits;
}

void check_inputs(Call& call, const dpo4j_preference_loss_params& x, const Traits& traits) {
  const bool reads_reference = traits.some_has(DPO4J_TRAIT_REFERENCE);
  call.require(reads_reference || x.reference == nullptr, "reference", "must be null: no term has a reference");
  const bool has_reference = x.reference != nullptr || !traits.some_has(DPO4J_TRAIT_NEEDS_REFERENCE);
  call.require(has_reference, "reference", "is null, but dpop measures from one");
  const bool needs_lengths = traits.some_has(DPO4J_TRAIT_LENGTHS) || x.statistics != nullptr;
  call.require(!needs_lengths || x.lengths != nullptr, "lengths", "is null, but a term averages, or there are statistics");
  call.require(x.preference.use_weighting == 0 || x.statistics != nullptr, "statistics", "is null, but weighting reads its log weights");
  call.require(x.weights == nullptr || !traits.some_has(DPO4J_TRAIT_SORTS_PAIRS), "weights",
               "must be null: aot and aot_unpaired sort all pairs of a call, so no pair has a loss of its own");
  call.require(traits.some_has(DPO4J_TRAIT_RUNNING_MEAN) || x.running_mean == nullptr, "running_mean", "must be null: no term is bco_pair");
  if (x.scales != nullptr) {
    call.option("pair_scale", x.pair_scale, x.pair_scale == 0, "but scales is given: leave it out (0)");
    call.option("token_scale", x.token_scale, x.token_scale == 0, "but scales is given: leave it out (0)");
    return;
  }
  call.require(finite(x.pair_scale), "pair_scale", "must be finite");
  if (traits.some_has(DPO4J_TRAIT_TOKEN_SCALE)) {
    call.require(finite(x.token_scale) && x.token_scale > 0, "token_scale", "must be finite and above 0 for the sft term");
    call.require(x.pair_scale != 0, "pair_scale", "must not be 0 where there is an sft term");
  } else {
    call.require(x.token_scale == 0, "token_scale", "must be 0: no term is sft");
  }
}

}  // namespace

int32_t dpo4j_loss_traits(int32_t loss) { return loss >= 0 && loss < DPO4J_LOSSES ? static_cast<int32_t>(dpo4j::kLosses[loss].traits) : 0; }

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

int32_t dpo4j_preference_loss(dpo4j_context* context, const dpo4j_preference_loss_params* params) {
  Call call(context, "preference_loss");
  if (call.params(params).refused()) return call.status();
  const dpo4j_preference_loss_params& x = *params;
  const Traits traits = check_preference(call, x.preference);
  call.rows("pairs", x.pairs)
      .words("losses", x.losses)
      .words("d_sums", x.d_sums)
      .tensor_or_null("metrics", x.metrics)
      .tensor_or_null("running_mean", x.running_mean)
      .words("sums", x.sums)
      .words_or_null("reference", x.reference)
      .words_or_null("lengths", x.lengths)
      .tensor_or_null("statistics", x.statistics)
      .words_or_null("weights", x.weights)
      .words_or_null("scales", x.scales);
  if (!call.refused() && dpo4j::sorts(x.preference)) call.tensor("workspace", x.workspace);
  if (!call.skipped()) check_inputs(call, x, traits);
  return call.run(x);
}
