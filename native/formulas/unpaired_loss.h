// The losses of single completions, for both the CUDA kernel and the CPU. dpo4j.h states the formulas. Arithmetic is fp64.
#pragma once

#include "dpo4j.h"
#include "logistic.h"

namespace dpo4j {

DPO4J_HOST_DEVICE inline double log_ratio(const dpo4j_unpaired_loss_params& x, int64_t i) {
  return static_cast<double>(x.sums[i]) - x.reference[i];
}

// The KL baseline: max(0, mean log-ratio of completions that are given the prompts of other rows). `sum` is the sum of the log-ratios. NaN
// stays NaN.
DPO4J_HOST_DEVICE inline double kl_of(const dpo4j_unpaired_loss_params& x, double sum) {
  const double mean = x.kl_completions == 0 ? 0 : sum / x.kl_completions;
  return mean < 0 ? 0 : mean;
}

// The loss is w (1 - sg(x)) = w sg(-x), with x = b (u - kl) for a desirable completion and x = -b (u - kl) for an undesirable one.
DPO4J_HOST_DEVICE inline void write_completion(const dpo4j_unpaired_loss_params& x, int64_t i, double kl) {
  const bool desirable = x.desirable[i] != 0;
  const double beta = desirable ? -static_cast<double>(x.options.beta) : x.options.beta;
  const double weight = desirable ? x.options.desirable_weight : x.options.undesirable_weight;
  const Sigmoid y = sigmoid(beta * (log_ratio(x, i) - kl));
  x.losses[i] = static_cast<float>(weight * y.value);
  x.d_sums[i] = static_cast<float>((x.scale_at != nullptr ? x.scale_at[0] : x.scale) * (weight * beta * y.slope));
}

// Sums over completions, from which metrics are computed. If there are two of a kind, the first is over desirable completions and the
// second over undesirable ones.
enum UnpairedSum {
  kLoss,
  kRewards,
  kLogps = kRewards + 2,
  kCounts = kLogps + 2,
  kLogits = kCounts + 2,
  kTokens = kLogits + 2,
  kMeasured = kTokens + 2,  // completions whose lengths are given
  kEntropy = kMeasured + 2,
  kHits,
  kUnpairedSums
};

// Uses a branch and not sums[!desirable]: the compiler would move an array with a variable index from registers to memory.
DPO4J_HOST_DEVICE inline void add_to_side(double* sums, bool desirable, double value) {
  if (desirable) {
    sums[0] += value;
  } else {
    sums[1] += value;
  }
}

// Adds the metrics of completion i. Its loss must have been written.
DPO4J_HOST_DEVICE inline void add_metrics(double (&sums)[kUnpairedSums], const dpo4j_unpaired_loss_params& x, int64_t i) {
  const bool desirable = x.desirable[i] != 0;
  sums[kLoss] += x.losses[i];
  add_to_side(sums + kRewards, desirable, x.options.beta * log_ratio(x, i));
  add_to_side(sums + kLogps, desirable, x.sums[i]);
  add_to_side(sums + kCounts, desirable, 1);
  if (x.lengths != nullptr) {
    add_to_side(sums + kTokens, desirable, x.lengths[i]);
    add_to_side(sums + kMeasured, desirable, 1);
  }
  if (x.statistics == nullptr) return;
  const float* statistics = x.statistics + i * DPO4J_TOKEN_STATISTICS;
  add_to_side(sums + kLogits, desirable, statistics[DPO4J_TOKEN_MEAN_LOGIT]);
  sums[kEntropy] += statistics[DPO4J_TOKEN_ENTROPY];
  if (desirable) sums[kHits] += statistics[DPO4J_TOKEN_HIT];
}

DPO4J_HOST_DEVICE inline void add_metric(double* metrics, int m, double sum, double count) {
  metrics[2 * m] += sum;
  metrics[2 * m + 1] += count;
}

DPO4J_HOST_DEVICE inline void write_metrics(const dpo4j_unpaired_loss_params& x, const double (&sums)[kUnpairedSums], double kl) {
  double* metrics = x.metrics;
  const double completions = sums[kCounts] + sums[kCounts + 1];
  const double tokens = x.statistics != nullptr ? 1 : 0;  // without statistics, their metrics are not counted
  add_metric(metrics, DPO4J_METRIC_LOSS, sums[kLoss], completions);
  add_metric(metrics, DPO4J_METRIC_REWARD_CHOSEN, sums[kRewards], sums[kCounts]);
  add_metric(metrics, DPO4J_METRIC_REWARD_REJECTED, sums[kRewards + 1], sums[kCounts + 1]);
  add_metric(metrics, DPO4J_METRIC_LOGP_CHOSEN, sums[kLogps], sums[kCounts]);
  add_metric(metrics, DPO4J_METRIC_LOGP_REJECTED, sums[kLogps + 1], sums[kCounts + 1]);
  add_metric(metrics, DPO4J_METRIC_LOGIT_CHOSEN, sums[kLogits], tokens * sums[kTokens]);
  add_metric(metrics, DPO4J_METRIC_LOGIT_REJECTED, sums[kLogits + 1], tokens * sums[kTokens + 1]);
  add_metric(metrics, DPO4J_METRIC_ENTROPY, sums[kEntropy], tokens * (sums[kTokens] + sums[kTokens + 1]));
  add_metric(metrics, DPO4J_METRIC_TOKEN_ACCURACY, sums[kHits], tokens * sums[kTokens]);
  add_metric(metrics, DPO4J_METRIC_LENGTH_CHOSEN, sums[kTokens], sums[kMeasured]);
  add_metric(metrics, DPO4J_METRIC_LENGTH_REJECTED, sums[kTokens + 1], sums[kMeasured + 1]);
  add_metric(metrics, DPO4J_METRIC_KL, completions * kl, completions);
}

}  // namespace dpo4j
