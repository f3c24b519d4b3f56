// preference_loss: loss, gradient and metrics of every pair, in one launch of one block. The formulas are in preference_terms.h.
//
// Metrics are sums over pairs: thread t adds pairs t, t + 256, ... in fp64, a fixed tree adds the threads, and the result is added to the
// metrics in memory. Losses that sort the batch do so first, in the workspace, by a bitonic network. Then each pair is computed by one
// thread.
//
// Bytes moved: 28 per pair, 68 with statistics and lengths, 4 more with weights. Bound by its launch: a batch has a few dozen pairs.
#include "formulas/preference_loss.h"
#include "reduce.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kThreads = 256;

// Sorts both orders of a loss: makes entry i of each from pair i, then runs the bitonic network.
__device__ void sort_orders(const dpo4j_preference_loss_params& x, int32_t loss, const Orders& orders) {
  for (int64_t i = threadIdx.x; i < orders.length; i += kThreads) {
    const bool exists = i < x.pairs;
    const Pair pair = exists ? pair_at(x, i) : Pair{};
    orders.first[i] = {first_key(loss, pair), static_cast<int32_t>(i)};
    orders.second[i] = {second_key(loss, pair), static_cast<int32_t>(i)};
  }
  for (int64_t run = 2; run <= orders.length; run *= 2) {
    for (int64_t distance = run / 2; distance > 0; distance /= 2) {
      __syncthreads();
      for (int64_t i = threadIdx.x; i < orders.length; i += kThreads) {
        const int64_t other = i ^ distance;
        if (other < i) continue;
        const bool ascending = (i & run) == 0;
        OrderEntry* const both[] = {orders.first, orders.second};
        for (OrderEntry* order : both) {
          const OrderEntry low = order[i], high = order[other];
          if (before(high, low, x.pairs) == ascending) order[i] = high, order[other] = low;
        }
      }
    }
  }
  __syncthreads();
}

__device__ void add_sorted_terms(const dpo4j_preference_loss_params& x, const Orders& orders) {
  for (int64_t i = threadIdx.x; i < x.pairs; i += kThreads) orders.sorted_terms[i] = {0, 0, 0};
  for (int32_t term = 0; term < x.preference.terms; term++) {
    if (!sorts(x.preference.loss[term])) continue;
    sort_orders(x, x.preference.loss[term], orders);
    for (int64_t k = threadIdx.x; k < x.pairs; k += kThreads) add_entry(x.preference, term, orders, k);
    __syncthreads();
  }
}

// Adds this call's rewards to the running mean and returns the new mean.
__device__ double advance_running_mean(const dpo4j_preference_loss_params& x) {
  double mine = 0;
  for (int64_t i = threadIdx.x; i < x.pairs; i += kThreads) {
    const Pair pair = pair_at(x, i);
    mine += reward_chosen(x, pair) + reward_rejected(x, pair);
  }
  const double sum = x.running_mean[0] + block_sum<kThreads>(mine), count = x.running_mean[1] + 2.0 * x.pairs;
  __syncthreads();
  if (threadIdx.x == 0) x.running_mean[0] = sum, x.running_mean[1] = count;
  return sum / count;
}

__device__ void write_metrics(const dpo4j_preference_loss_params& x) {
  double sums[kPairSums] = {};
  for (int64_t i = threadIdx.x; i < x.pairs; i += kThreads) add_metrics(sums, x, i);
  DPO4J_SHARED(double, total, [kPairSums]);
  block_sums<kThreads>(sums, total);
  for (int m = threadIdx.x; m < DPO4J_METRIC_KL; m += kThreads) {
    x.metrics[2 * m] += total[m];
    x.metrics[2 * m + 1] += metric_count(x, m, total);
  }
}

__global__ void __launch_bounds__(kThreads) losses_of_pairs(dpo4j_preference_loss_params x, Orders orders) {
  if (orders.length > 0) add_sorted_terms(x, orders);
  const Batch batch = batch_of(x, x.running_mean ? advance_running_mean(x) : 0);
  for (int64_t i = threadIdx.x; i < x.pairs; i += kThreads) {
    Dual loss = loss_of_pair(x, i, pair_at(x, i), batch);
    if (orders.length > 0) loss = loss + orders.sorted_terms[i];
    write_pair(x, i, loss);
  }
  if (x.metrics) write_metrics(x);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_preference_loss_params& x) {
  const Orders orders = sorts(x.preference) ? orders_in(x.workspace, x.pairs) : Orders{};
  return launch(context, losses_of_pairs, dim3(x.pairs > 0 ? 1 : 0), dim3(kThreads), 0, x, orders);
}

}  // namespace dpo4j::cuda
