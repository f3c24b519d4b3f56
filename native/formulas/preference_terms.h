// The preference losses of one pair, for both the CUDA kernel and the CPU: what each reads, and its formula, which dpo4j.h states.
//
// Formulas compute with dual numbers (dual.h), which carry their derivatives with respect to pi_c and pi_r (forward-mode differentiation).
// So the gradient follows from the formula by the chain rule and cannot disagree with it. Inputs are fp32. Arithmetic is fp64, which is
// cheap for the few dozen operations of a pair, so only the result is rounded to fp32.
#pragma once

#include <float.h>

#include "dpo4j.h"
#include "dual.h"

namespace dpo4j {

// ---- what each loss reads --------------------------------------------------------------------------------------------------------------

struct LossTraits {
  int32_t loss;
  const char* name;  // in messages
  uint32_t traits;   // dpo4j_trait bits
};

constexpr uint32_t kReference = DPO4J_TRAIT_REFERENCE, kDivergence = DPO4J_TRAIT_DIVERGENCE, kSmoothing = DPO4J_TRAIT_SMOOTHING;
constexpr uint32_t kLengths = DPO4J_TRAIT_LENGTHS, kWeighting = DPO4J_TRAIT_WEIGHTING;
constexpr uint32_t kMargin = kReference | kDivergence | kWeighting;

constexpr LossTraits kLosses[DPO4J_LOSSES] = {
    {DPO4J_LOSS_SIGMOID, "sigmoid", kMargin | kSmoothing},
    {DPO4J_LOSS_HINGE, "hinge", kMargin},
    {DPO4J_LOSS_IPO, "ipo", kMargin | kLengths},
    {DPO4J_LOSS_EXO_PAIR, "exo_pair", kMargin | kSmoothing | DPO4J_TRAIT_NEEDS_SMOOTHING},
    {DPO4J_LOSS_NCA_PAIR, "nca_pair", kReference | kWeighting},
    {DPO4J_LOSS_ROBUST, "robust", kMargin | kSmoothing},
    {DPO4J_LOSS_BCO_PAIR, "bco_pair", kReference | kWeighting | DPO4J_TRAIT_RUNNING_MEAN},
    {DPO4J_LOSS_SPPO_HARD, "sppo_hard", kReference | kWeighting},
    {DPO4J_LOSS_AOT, "aot", kReference | kSmoothing | DPO4J_TRAIT_SORTS_PAIRS},
    {DPO4J_LOSS_AOT_UNPAIRED, "aot_unpaired", kReference | kSmoothing | DPO4J_TRAIT_SORTS_PAIRS},
    {DPO4J_LOSS_APO_ZERO, "apo_zero", kReference | kWeighting},
    {DPO4J_LOSS_APO_DOWN, "apo_down", kReference | kWeighting},
    {DPO4J_LOSS_DISCOPOP, "discopop", kMargin | DPO4J_TRAIT_DISCOPOP_TAU},
    {DPO4J_LOSS_SFT, "sft", DPO4J_TRAIT_TOKEN_SCALE},
    {DPO4J_LOSS_SIGMOID_NORM, "sigmoid_norm", kMargin | kLengths},
    {DPO4J_LOSS_DPOP, "dpop", kReference | DPO4J_TRAIT_NEEDS_REFERENCE | kWeighting | DPO4J_TRAIT_DPOP_LAMBDA},
    {DPO4J_LOSS_DPOP_ADDITIVE, "dpop_additive", kReference | DPO4J_TRAIT_NEEDS_REFERENCE | kWeighting | DPO4J_TRAIT_DPOP_LAMBDA},
    {DPO4J_LOSS_CPO, "cpo", kSmoothing | kWeighting},
    {DPO4J_LOSS_CPO_HINGE, "cpo_hinge", kWeighting},
    {DPO4J_LOSS_CPO_IPO, "cpo_ipo", kLengths | kWeighting},
    {DPO4J_LOSS_SIMPO, "simpo", kSmoothing | kLengths | kWeighting | DPO4J_TRAIT_SIMPO_GAMMA},
    {DPO4J_LOSS_ALPHAPO, "alphapo", kSmoothing | kLengths | kWeighting | DPO4J_TRAIT_SIMPO_GAMMA | DPO4J_TRAIT_ALPHAPO_ALPHA},
    {DPO4J_LOSS_ORPO, "orpo", kLengths | kWeighting},
};

constexpr bool every_loss_has_its_row() {
  for (int32_t loss = 0; loss < DPO4J_LOSSES; loss++) {
    if (kLosses[loss].loss != loss || kLosses[loss].name == nullptr) return false;
  }
  return true;
}
static_assert(every_loss_has_its_row(), "kLosses has one row for each dpo4j_loss, in the order of their numbers");

// An option that some losses read: a number in [min, max].
struct LossOption {
  using Field = float dpo4j_preference::*;

  uint32_t trait;
  const char* name;
  Field value;
  float min, max;
  const char* requirement;
};

constexpr LossOption kLossOptions[] = {
    {DPO4J_TRAIT_DISCOPOP_TAU, "discopop_tau", &dpo4j_preference::discopop_tau, FLT_TRUE_MIN, 1, "must be above 0 and at most 1"},
    {DPO4J_TRAIT_DPOP_LAMBDA, "dpop_lambda", &dpo4j_preference::dpop_lambda, 0, FLT_MAX, "must be finite and at least 0"},
    {DPO4J_TRAIT_SIMPO_GAMMA, "simpo_gamma", &dpo4j_preference::simpo_gamma, -FLT_MAX, FLT_MAX, "must be finite"},
    {DPO4J_TRAIT_ALPHAPO_ALPHA, "alphapo_alpha", &dpo4j_preference::alphapo_alpha, -FLT_MAX, FLT_MAX, "must be finite"},
};

constexpr uint64_t losses_with(uint32_t trait) {
  static_assert(DPO4J_LOSSES <= 64, "a bit for each loss");
  uint64_t losses = 0;
  for (const LossTraits& each : kLosses) {
    if ((each.traits & trait) != 0) losses |= uint64_t{1} << each.loss;
  }
  return losses;
}

// kLosses is in host memory, which kernels cannot read. They read this constant instead.
constexpr uint64_t kSortingLosses = losses_with(DPO4J_TRAIT_SORTS_PAIRS);

// Whether the loss depends on all pairs of the call together.
DPO4J_HOST_DEVICE inline bool sorts(int32_t loss) { return loss >= 0 && loss < DPO4J_LOSSES && (kSortingLosses >> loss & 1) != 0; }

// ---- the formulas ----------------------------------------------------------------------------------------------------------------------

// exp(x) - 1 for x up to 80, and its value at 80 for larger x, so that no score is infinite. Near 0, expm1 keeps the digits that exp(x) - 1
// loses. The slope is computed as exp(x), not as the value plus 1, because for x below -36 the value is rounded to -1.
DPO4J_HOST_DEVICE_CALL inline Dual bounded_expm1(Dual x) {
  constexpr double kMaxExponent = 80;
  const bool beyond = x.value > kMaxExponent;
  return chain(expm1(beyond ? kMaxExponent : x.value), beyond ? 0 : exp(x.value), x);
}

// log 2 + log sigmoid(x) = min(x, 0) - log(1 + (exp(-|x|) - 1) / 2), exactly 0 at 0.
DPO4J_HOST_DEVICE_CALL inline Dual shifted_log_sigmoid(Dual x) {
  const double t = exp(-fabs(x.value));
  return chain((x.value < 0 ? x.value : 0) - log1p(expm1(-fabs(x.value)) / 2), (x.value > 0 ? t : 1) / (1 + t), x);
}

// The inputs of a pair. Without a reference, the reference's log-probs are 0. Token counts are at least 1.
struct Pair {
  double chosen, rejected, reference_chosen, reference_rejected;
  double chosen_tokens, rejected_tokens;
};

// The score s(u) of a log-ratio u. s(0) is exactly 0, so a policy that equals its reference has the same losses as with reverse_kl.
DPO4J_HOST_DEVICE inline Dual score(const dpo4j_preference& p, Dual u) {
  const double alpha = p.f_divergence_type == DPO4J_DIVERGENCE_FORWARD_KL ? 0 : p.f_alpha_divergence_coef;
  switch (p.f_divergence_type) {
    case DPO4J_DIVERGENCE_JS:
      return shifted_log_sigmoid(u);
    case DPO4J_DIVERGENCE_FORWARD_KL:
    case DPO4J_DIVERGENCE_ALPHA:
      return fabs(alpha - 1) < 1e-6 ? u : 1 / (alpha - 1) * bounded_expm1((alpha - 1) * u);
    default:
      return u;
  }
}

// -(1-e) ls(x) - e ls(-x), ls = log sigmoid. If x is infinite, ls(x) or ls(-x) is infinite, and 0 times that is NaN. So the second
// term is omitted if e is 0.
DPO4J_HOST_DEVICE inline Dual smoothed(Dual x, double e) { return e == 0 ? softplus(-x) : (1 - e) * softplus(-x) + e * softplus(x); }

DPO4J_HOST_DEVICE inline Dual exo_loss(Dual x, double e) {
  // sg(x) A + sg(-x) B with A = ls(x) - log(1-e), B = ls(-x) - log e. In the derivative, the slopes of A and B contribute sg(x) sg(-x) -
  // sg(-x) sg(x) = 0. So the slope is sg(x) sg(-x) (A - B), with A - B = x + log e - log(1-e).
  const Softplus up = softplus(x.value), down = softplus(-x.value);
  const double chosen_term = -down.value - log1p(-e), rejected_term = -up.value - log(e);
  return chain(up.slope * chosen_term + down.slope * rejected_term, up.slope * down.slope * (x.value + log(e) - log1p(-e)), x);
}

DPO4J_HOST_DEVICE inline Dual discopop_loss(Dual x, double tau) {
  // Computes exp(-x) sg(x / tau) as one exponential, because for x far below 0, exp(-x) overflows while sg(x / tau) is 0.
  const Softplus down = softplus(-x.value / tau), up = softplus(x.value / tau), logistic = softplus(-x.value);
  const double both = exp(-x.value - down.value), slope_of_both = both * (-1 + down.slope / tau);
  return chain(logistic.value * down.slope + both,
               -logistic.slope * down.slope - logistic.value * up.slope * down.slope / tau + slope_of_both, x);
}

// (1 - exp(-alpha a)) / alpha, where a is an average log-prob.
DPO4J_HOST_DEVICE inline Dual alphapo_reward(Dual average, double alpha) {
  if (alpha == 0) return average;
  return -1 / alpha * bounded_expm1(-alpha * average);
}

// log(p / (1 - p)), where a = log p is an average log-prob; its slope is 1 / (1 - p). It is infinite at a = 0. fp32 log-probs are not
// accurate between -2^-24 and 0, so a value of a above -2^-24 is replaced by -2^-24. The derivative of a with respect to pi stays
// unchanged.
DPO4J_HOST_DEVICE inline Dual log_odds(Dual average) {
  constexpr double kResolution = -1.0 / (1 << 24);
  const double a = average.value > kResolution ? kResolution : average.value;
  const double not_p = -expm1(a);
  return chain(a - log(not_p), 1 / not_p, average);
}

// Inputs that are the same for all pairs of a call.
struct Batch {
  double shift;      // bco_pair's running mean
  double sft_scale;  // token_scale / pair_scale
};

// One term of one pair. The losses that sort are in preference_loss.h.
DPO4J_HOST_DEVICE inline Dual term_loss(int32_t loss, const dpo4j_preference& p, const Pair& pair, const Batch& batch) {
  const double b = p.beta, e = p.label_smoothing;
  const Dual pi_c{pair.chosen, 1, 0}, pi_r{pair.rejected, 0, 1};
  const Dual u_c = pi_c - pair.reference_chosen, u_r = pi_r - pair.reference_rejected;
  const auto per_chosen_token = [&pair](Dual x) { return 1 / pair.chosen_tokens * x; };  // averages
  const auto per_rejected_token = [&pair](Dual x) { return 1 / pair.rejected_tokens * x; };
  switch (loss) {
    case DPO4J_LOSS_SIGMOID:
      return smoothed(b * (score(p, u_c) - score(p, u_r)), e);
    case DPO4J_LOSS_HINGE:
      return positive_part(-(b * (score(p, u_c) - score(p, u_r))) + 1);
    case DPO4J_LOSS_IPO:
      return square(per_chosen_token(score(p, u_c)) - per_rejected_token(score(p, u_r)) - 1 / (2 * b));
    case DPO4J_LOSS_EXO_PAIR:
      return exo_loss(b * (score(p, u_c) - score(p, u_r)), e);
    case DPO4J_LOSS_NCA_PAIR: {
      const Dual reward_c = b * u_c, reward_r = b * u_r;
      return softplus(-reward_c) + 0.5 * softplus(reward_c) + 0.5 * softplus(reward_r);
    }
    case DPO4J_LOSS_ROBUST: {
      const Dual x = b * (score(p, u_c) - score(p, u_r));
      return e == 0 ? softplus(-x) : 1 / (1 - 2 * e) * ((1 - e) * softplus(-x) - e * softplus(x));
    }
    case DPO4J_LOSS_BCO_PAIR:
      return softplus(-(b * u_c - batch.shift)) + softplus(b * u_r - batch.shift);
    case DPO4J_LOSS_SPPO_HARD:
      return square(u_c - 1 / (2 * b)) + square(u_r + 1 / (2 * b));
    case DPO4J_LOSS_APO_ZERO:
      return sigmoid(-(b * u_c)) + sigmoid(b * u_r);
    case DPO4J_LOSS_APO_DOWN:
      return sigmoid(b * u_c) + sigmoid(-(b * (u_c - u_r)));
    case DPO4J_LOSS_DISCOPOP:
      return discopop_loss(b * (score(p, u_c) - score(p, u_r)), p.discopop_tau);
    case DPO4J_LOSS_SFT:
      return -batch.sft_scale * pi_c;
    case DPO4J_LOSS_SIGMOID_NORM:
      return softplus(-(b * (per_chosen_token(score(p, u_c)) - per_rejected_token(score(p, u_r)))));
    case DPO4J_LOSS_DPOP:
      return softplus(-(b * (u_c - u_r - (double)p.dpop_lambda * positive_part(-u_c))));
    case DPO4J_LOSS_DPOP_ADDITIVE:
      return softplus(-(b * (u_c - u_r))) + (double)p.dpop_lambda * positive_part(-u_c);
    case DPO4J_LOSS_CPO:
      return smoothed(b * (pi_c - pi_r), e);
    case DPO4J_LOSS_CPO_HINGE:
      return positive_part(-(b * (pi_c - pi_r)) + 1);
    case DPO4J_LOSS_CPO_IPO:
      return square(per_chosen_token(pi_c) - per_rejected_token(pi_r) - 1 / (2 * b));
    case DPO4J_LOSS_SIMPO:
      return smoothed(b * (per_chosen_token(pi_c) - per_rejected_token(pi_r)) - p.simpo_gamma, e);
    case DPO4J_LOSS_ALPHAPO:
      return smoothed(
          b * (alphapo_reward(per_chosen_token(pi_c), p.alphapo_alpha) - alphapo_reward(per_rejected_token(pi_r), p.alphapo_alpha)) -
              p.simpo_gamma,
          e);
    case DPO4J_LOSS_ORPO:
      return b * softplus(log_odds(per_rejected_token(pi_r)) - log_odds(per_chosen_token(pi_c)));
    default:
      return {(double)NAN, (double)NAN, (double)NAN};  // refused before the launch
  }
}

}  // namespace dpo4j
