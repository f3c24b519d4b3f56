// Which options and inputs a loss reads. What no term of a call reads must not be given: nothing is ignored.
#pragma once

#include "dpo4j.h"

namespace dpo4j {

enum Use : uint32_t {
  kReference = 1 << 0,  // may have one; without, its log-probs are 0
  kSmoothing = 1 << 1,
  kDivergence = 1 << 2,
  kLengths = 1 << 3,
  kTau = 1 << 4,
  kLambda = 1 << 5,
  kGamma = 1 << 6,
  kAlpha = 1 << 7,
  kWeighting = 1 << 8,
  kTokenScale = 1 << 9,
  kRunningMean = 1 << 10,
  kNeedsReference = 1 << 11,
  kNeedsSmoothing = 1 << 12,
};

constexpr uint32_t uses_of_loss(int32_t loss) {
  constexpr uint32_t kMargin = kReference | kDivergence | kWeighting;
  switch (loss) {
    case DPO4J_LOSS_SIGMOID:
    case DPO4J_LOSS_ROBUST:
      return kMargin | kSmoothing;
    case DPO4J_LOSS_EXO_PAIR:
      return kMargin | kSmoothing | kNeedsSmoothing;
    case DPO4J_LOSS_HINGE:
      return kMargin;
    case DPO4J_LOSS_NCA_PAIR:
    case DPO4J_LOSS_SPPO_HARD:
    case DPO4J_LOSS_APO_ZERO:
    case DPO4J_LOSS_APO_DOWN:
      return kReference | kWeighting;
    case DPO4J_LOSS_BCO_PAIR:
      return kReference | kWeighting | kRunningMean;
    case DPO4J_LOSS_DISCOPOP:
      return kMargin | kTau;
    case DPO4J_LOSS_IPO:
    case DPO4J_LOSS_SIGMOID_NORM:
      return kMargin | kLengths;
    case DPO4J_LOSS_AOT:
    case DPO4J_LOSS_AOT_UNPAIRED:
      return kReference | kSmoothing;
    case DPO4J_LOSS_DPOP:
    case DPO4J_LOSS_DPOP_ADDITIVE:
      return kReference | kNeedsReference | kLambda | kWeighting;
    case DPO4J_LOSS_SFT:
      return kTokenScale;
    case DPO4J_LOSS_CPO:
      return kSmoothing | kWeighting;
    case DPO4J_LOSS_CPO_HINGE:
      return kWeighting;
    case DPO4J_LOSS_CPO_IPO:
    case DPO4J_LOSS_ORPO:
      return kLengths | kWeighting;
    case DPO4J_LOSS_SIMPO:
      return kSmoothing | kLengths | kGamma | kWeighting;
    case DPO4J_LOSS_ALPHAPO:
      return kSmoothing | kLengths | kGamma | kAlpha | kWeighting;
    default:
      return 0;
  }
}

// The names of dpo4j_loss and of dpo4j_divergence, as messages give them.
constexpr const char* kLossNames[DPO4J_LOSSES] = {"sigmoid",   "hinge",     "ipo",          "exo_pair",     "nca_pair",      "robust",
                                                  "bco_pair",  "sppo_hard", "aot",          "aot_unpaired", "apo_zero",      "apo_down",
                                                  "discopop",  "sft",       "sigmoid_norm", "dpop",         "dpop_additive", "cpo",
                                                  "cpo_hinge", "cpo_ipo",   "simpo",        "alphapo",      "orpo"};
constexpr const char* kDivergenceNames[] = {"reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"};

// Whether a loss takes log-ratios themselves, not their scores. It is then defined for reverse_kl alone: the scores of another divergence are
// known up to a number that depends on the prompt, which cancels only in chosen minus rejected (Wang et al. 2024, theorem 1).
constexpr bool takes_log_ratios(int32_t loss) { return (uses_of_loss(loss) & (kReference | kDivergence)) == kReference; }

struct Uses {
  uint32_t any = 0, all = ~0u;  // of the terms
};

inline Uses uses_of(const dpo4j_preference& p) {
  Uses uses;
  for (int32_t term = 0; term < p.terms && term < DPO4J_TERMS; term++) {
    uses.any |= uses_of_loss(p.loss[term]);
    uses.all &= uses_of_loss(p.loss[term]);
  }
  return uses;
}

}  // namespace dpo4j
