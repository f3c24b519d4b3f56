// Loss, gradients and metrics of each pair by the formulas of native/formulas/preference_terms.h. Pairs are cut into ranges, which run in
// parallel. Each range sums its metrics, and the sums of the ranges are added in order.
#include "formulas/preference_loss.h"

#include <algorithm>

#include "cpu.h"

namespace dpo4j::cpu {
namespace {

constexpr int64_t kMinPairs = 128, kMaxRanges = 32;

void sort_orders(const dpo4j_preference_loss_params& p, int32_t loss, const Orders& orders) {
  for (int64_t i = 0; i < p.pairs; i++) {
    const Pair pair = pair_at(p, i);
    orders.first[i] = {first_key(loss, pair), static_cast<int32_t>(i)};
    orders.second[i] = {second_key(loss, pair), static_cast<int32_t>(i)};
  }
  const auto earlier = [&p](OrderEntry a, OrderEntry b) { return before(a, b, p.pairs); };
  std::sort(orders.first, orders.first + p.pairs, earlier);
  std::sort(orders.second, orders.second + p.pairs, earlier);
}

void add_sorted_terms(const dpo4j_preference_loss_params& p, const Orders& orders) {
  std::fill(orders.sorted_terms, orders.sorted_terms + p.pairs, Dual{0, 0, 0});
  for (int32_t term = 0; term < p.preference.terms; term++) {
    if (!sorts(p.preference.loss[term])) continue;
    sort_orders(p, p.preference.loss[term], orders);
    for (int64_t k = 0; k < p.pairs; k++) add_entry(p.preference, term, orders, k);
  }
}

double advance_running_mean(const dpo4j_preference_loss_params& p) {
  double sum = 0;
  for (int64_t i = 0; i < p.pairs; i++) {
    const Pair pair = pair_at(p, i);
    sum += reward_chosen(p, pair) + reward_rejected(p, pair);
  }
  p.running_mean[0] += sum;
  p.running_mean[1] += 2.0 * p.pairs;
  return p.running_mean[0] / p.running_mean[1];
}

void write_metrics(const dpo4j_preference_loss_params& p, const double (&sums)[kPairSums]) {
  for (int m = 0; m < DPO4J_METRIC_KL; m++) {
    p.metrics[2 * m] += sums[m];
    p.metrics[2 * m + 1] += metric_count(p, m, sums);
  }
}

}  // namespace

void run(Cpu& cpu, const dpo4j_preference_loss_params& p) {
  const bool sorted = sorts(p.preference);
  const Orders orders = sorted ? orders_in(p.workspace, p.pairs) : Orders{};
  if (sorted) add_sorted_terms(p, orders);
  const Batch batch = batch_of(p, p.running_mean != nullptr ? advance_running_mean(p) : 0);
  const int64_t range = std::max(kMinPairs, (p.pairs + kMaxRanges - 1) / kMaxRanges);
  double range_sums[kMaxRanges][kPairSums] = {};
  parallel_ranges(cpu.threads, p.pairs, range, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const Dual loss = loss_of_pair(p, i, pair_at(p, i), batch);
      write_pair(p, i, sorted ? loss + orders.sorted_terms[i] : loss);
    }
    if (p.metrics == nullptr) return;
    double sums[kPairSums] = {};
    for (int64_t i = begin; i < end; i++) add_metrics(sums, p, i, pair_at(p, i), p.losses[i]);
    std::copy(sums, sums + kPairSums, range_sums[begin / range]);
  });
  if (p.metrics == nullptr) return;
  double sums[kPairSums] = {};
  for (const auto& part : range_sums) {
    for (int m = 0; m < kPairSums; m++) sums[m] += part[m];
  }
  write_metrics(p, sums);
}

}  // namespace dpo4j::cpu
