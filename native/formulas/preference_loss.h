// Shared by the CUDA kernel and the CPU: reads a pair, adds the weighted terms of its loss (preference_terms.h has their formulas), adds
// its metrics, and computes the losses that sort the pairs.
#pragma once

#include "preference_terms.h"

namespace dpo4j {

// Whether a term depends on all pairs of the call together.
DPO4J_HOST_DEVICE inline bool sorts(const dpo4j_preference& p) {
  for (int32_t term = 0; term < p.terms; term++) {
    if (sorts(p.loss[term])) return true;
  }
  return false;
}

DPO4J_HOST_DEVICE inline double at_least_one(int32_t tokens) { return tokens < 1 ? 1 : tokens; }

DPO4J_HOST_DEVICE inline Pair pair_at(const dpo4j_preference_loss_params& x, int64_t i) {
  const int64_t chosen = 2 * i, rejected = chosen + 1;
  Pair pair{x.sums[chosen], x.sums[rejected], 0, 0, 1, 1};
  if (x.reference != nullptr) pair.reference_chosen = x.reference[chosen], pair.reference_rejected = x.reference[rejected];
  if (x.lengths != nullptr) pair.chosen_tokens = at_least_one(x.lengths[chosen]), pair.rejected_tokens = at_least_one(x.lengths[rejected]);
  return pair;
}

// WPO: exp(mean log weight of chosen) exp(mean log weight of rejected).
DPO4J_HOST_DEVICE inline double probability_weight(const dpo4j_preference_loss_params& x, int64_t i, const Pair& pair) {
  const float* chosen = x.statistics + 2 * i * DPO4J_TOKEN_STATISTICS;
  const float* rejected = chosen + DPO4J_TOKEN_STATISTICS;
  return exp(chosen[DPO4J_TOKEN_LOG_WEIGHT] / pair.chosen_tokens + rejected[DPO4J_TOKEN_LOG_WEIGHT] / pair.rejected_tokens);
}

DPO4J_HOST_DEVICE inline float pair_scale(const dpo4j_preference_loss_params& x) {
  return x.scales != nullptr ? x.scales[0] : x.pair_scale;
}

DPO4J_HOST_DEVICE inline Batch batch_of(const dpo4j_preference_loss_params& x, double shift) {
  const float token_scale = x.scales != nullptr ? x.scales[1] : x.token_scale;
  return {shift, token_scale == 0 ? 0 : static_cast<double>(token_scale) / pair_scale(x)};
}

// The sum of the terms that depend only on pair i, times the pair's weight.
DPO4J_HOST_DEVICE inline Dual loss_of_pair(const dpo4j_preference_loss_params& x, int64_t i, const Pair& pair, const Batch& batch) {
  const dpo4j_preference& p = x.preference;
  Dual total{0, 0, 0};
  for (int32_t term = 0; term < p.terms; term++) {
    if (!sorts(p.loss[term])) total = total + static_cast<double>(p.weight[term]) * term_loss(p.loss[term], p, pair, batch);
  }
  if (p.use_weighting != 0) total = probability_weight(x, i, pair) * total;
  return x.weights != nullptr ? static_cast<double>(x.weights[i]) * total : total;
}

DPO4J_HOST_DEVICE inline void write_pair(const dpo4j_preference_loss_params& x, int64_t i, Dual loss) {
  x.losses[i] = static_cast<float>(loss.value);
  x.d_sums[2 * i] = static_cast<float>(pair_scale(x) * loss.d_chosen);
  x.d_sums[2 * i + 1] = static_cast<float>(pair_scale(x) * loss.d_rejected);
}

// ---- metrics --------------------------------------------------------------------------------------------------------------------------

// Sums over pairs: the metrics before KL, then the weights, and the pairs whose lengths are given.
constexpr int kPairSums = DPO4J_METRIC_KL + 2;
constexpr int kWeights = DPO4J_METRIC_KL, kMeasured = kWeights + 1;

DPO4J_HOST_DEVICE inline double reward_chosen(const dpo4j_preference_loss_params& x, const Pair& pair) {
  return static_cast<double>(x.preference.beta) * (pair.chosen - pair.reference_chosen);
}
DPO4J_HOST_DEVICE inline double reward_rejected(const dpo4j_preference_loss_params& x, const Pair& pair) {
  return static_cast<double>(x.preference.beta) * (pair.rejected - pair.reference_rejected);
}

// Adds the metrics of pair i. `loss` is its loss as written, in fp32.
DPO4J_HOST_DEVICE inline void add_metrics(double (&sums)[kPairSums], const dpo4j_preference_loss_params& x, int64_t i, const Pair& pair,
                                          float loss) {
  const double chosen = reward_chosen(x, pair), rejected = reward_rejected(x, pair);
  sums[DPO4J_METRIC_LOSS] += loss;
  sums[kWeights] += x.weights != nullptr ? x.weights[i] : 1;
  sums[DPO4J_METRIC_REWARD_CHOSEN] += chosen;
  sums[DPO4J_METRIC_REWARD_REJECTED] += rejected;
  sums[DPO4J_METRIC_ACCURACY] += chosen > rejected ? 1 : 0;
  sums[DPO4J_METRIC_MARGIN] += chosen - rejected;
  sums[DPO4J_METRIC_LOGP_CHOSEN] += pair.chosen;
  sums[DPO4J_METRIC_LOGP_REJECTED] += pair.rejected;
  if (x.lengths == nullptr) return;
  const double length_chosen = x.lengths[2 * i], length_rejected = x.lengths[2 * i + 1], difference = length_chosen - length_rejected;
  sums[DPO4J_METRIC_LENGTH_CHOSEN] += length_chosen;
  sums[DPO4J_METRIC_LENGTH_REJECTED] += length_rejected;
  sums[DPO4J_METRIC_LENGTH_SQUARE] += difference * difference;
  sums[DPO4J_METRIC_MARGIN_SQUARE] += (chosen - rejected) * (chosen - rejected);
  sums[DPO4J_METRIC_MARGIN_LENGTH] += (chosen - rejected) * difference;
  sums[kMeasured] += 1;
  if (x.statistics == nullptr) return;
  const float* chosen_statistics = x.statistics + 2 * i * DPO4J_TOKEN_STATISTICS;
  const float* rejected_statistics = chosen_statistics + DPO4J_TOKEN_STATISTICS;
  sums[DPO4J_METRIC_LOGIT_CHOSEN] += chosen_statistics[DPO4J_TOKEN_MEAN_LOGIT];
  sums[DPO4J_METRIC_LOGIT_REJECTED] += rejected_statistics[DPO4J_TOKEN_MEAN_LOGIT];
  sums[DPO4J_METRIC_ENTROPY] += static_cast<double>(chosen_statistics[DPO4J_TOKEN_ENTROPY]) + rejected_statistics[DPO4J_TOKEN_ENTROPY];
  sums[DPO4J_METRIC_TOKEN_ACCURACY] += chosen_statistics[DPO4J_TOKEN_HIT];
}

// The count by which the sum of metric m is divided.
DPO4J_HOST_DEVICE inline double metric_count(const dpo4j_preference_loss_params& x, int m, const double (&sums)[kPairSums]) {
  const double tokens = x.statistics != nullptr ? 1 : 0;  // without statistics, their metrics are not counted
  switch (m) {
    case DPO4J_METRIC_LOSS:
      return sums[kWeights];
    case DPO4J_METRIC_LOGIT_CHOSEN:
    case DPO4J_METRIC_TOKEN_ACCURACY:
      return tokens * sums[DPO4J_METRIC_LENGTH_CHOSEN];
    case DPO4J_METRIC_LOGIT_REJECTED:
      return tokens * sums[DPO4J_METRIC_LENGTH_REJECTED];
    case DPO4J_METRIC_ENTROPY:
      return tokens * (sums[DPO4J_METRIC_LENGTH_CHOSEN] + sums[DPO4J_METRIC_LENGTH_REJECTED]);
    case DPO4J_METRIC_LENGTH_CHOSEN:
    case DPO4J_METRIC_LENGTH_REJECTED:
    case DPO4J_METRIC_LENGTH_SQUARE:
    case DPO4J_METRIC_MARGIN_SQUARE:
    case DPO4J_METRIC_MARGIN_LENGTH:
      return sums[kMeasured];
    default:
      return static_cast<double>(x.pairs);
  }
}

// ---- losses that sort two numbers of each pair, and subtract the k-th of one order from the k-th of the other --------------------------

// An entry of a sorted order: the number that is sorted, and the pair to which it belongs.
struct OrderEntry {
  double key;
  int32_t pair;
};

// Whether a is before b. Numbers ascend; NaN comes after all numbers, and the entries that pad the order to a power of two come last. Equal
// numbers are in the order of their pairs.
DPO4J_HOST_DEVICE inline bool before(OrderEntry a, OrderEntry b, int64_t pairs) {
  const int class_a = a.pair >= pairs ? 2 : a.key != a.key, class_b = b.pair >= pairs ? 2 : b.key != b.key;
  if (class_a != class_b) return class_a < class_b;
  if (class_a == 0 && a.key != b.key) return a.key < b.key;
  return a.pair < b.pair;
}

// The workspace of a call that sorts: two orders whose length is a power of two, and for each pair the sum of its sorted terms so far.
struct Orders {
  OrderEntry *first, *second;
  Dual* sorted_terms;
  int64_t length;
};

inline int64_t order_length(int64_t pairs) {
  int64_t length = 1;
  while (length < pairs) length *= 2;
  return length;
}

inline size_t orders_bytes(int64_t pairs) { return 2 * sizeof(OrderEntry) * order_length(pairs) + sizeof(Dual) * pairs; }

inline Orders orders_in(void* workspace, int64_t pairs) {
  const int64_t length = order_length(pairs);
  OrderEntry* first = static_cast<OrderEntry*>(workspace);
  return {first, first + length, reinterpret_cast<Dual*>(first + 2 * length), length};
}

// The numbers of a pair that a loss sorts: for its first and for its second order.
DPO4J_HOST_DEVICE inline double first_key(int32_t loss, const Pair& pair) {
  return loss == DPO4J_LOSS_AOT ? pair.chosen - pair.rejected : pair.chosen - pair.reference_chosen;
}
DPO4J_HOST_DEVICE inline double second_key(int32_t loss, const Pair& pair) {
  return loss == DPO4J_LOSS_AOT ? pair.reference_chosen - pair.reference_rejected : pair.rejected - pair.reference_rejected;
}

// Adds the loss of entry k to the pair of its first number, and each d loss / d log-prob to the pair of that log-prob. No two entries add
// to the same element, so entries may run in parallel.
DPO4J_HOST_DEVICE inline void add_entry(const dpo4j_preference& p, int32_t term, const Orders& orders, int64_t k) {
  const OrderEntry first = orders.first[k], second = orders.second[k];
  const Dual x = static_cast<double>(p.beta) * Dual{first.key - second.key, 1, -1};
  const Dual loss = static_cast<double>(p.weight[term]) * smoothed(x, p.label_smoothing);
  orders.sorted_terms[first.pair].value += loss.value;
  orders.sorted_terms[first.pair].d_chosen += loss.d_chosen;
  const int32_t rejected = p.loss[term] == DPO4J_LOSS_AOT ? first.pair : second.pair;
  orders.sorted_terms[rejected].d_rejected += loss.d_rejected;
}

}  // namespace dpo4j
