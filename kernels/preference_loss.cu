// preference_loss: loss, gradient and metrics of every pair, in one launch of one block. The formulas are in preference_terms.h.
//
// Metrics are sums over pairs: thread t adds pairs t, t + 256, ... in fp64, a fixed tree adds the threads, and the result is added to
// the metrics in memory. Up to 32 pairs are computed by one warp, a lane for each: it needs no block barrier, loads the metrics together
// with the pairs, and keeps losses in registers. Its sums have the bits of a block's, which adds zeros to them.
//
// Losses that sort the batch do so first. A warp counts for each pair how many come before it. A block sorts up to 4096 pairs in shared
// memory, one order after the other, and more pairs in the workspace. The order of pairs is total (preference_loss.h), so all three ways
// give the same orders.
//
// Bytes moved: 28 per pair, 68 with statistics and lengths, 4 more with weights; 56 more with losses that sort. Bound by its launch: a batch
// has a few dozen pairs.
#include <string.h>

#include "formulas/preference_loss.h"
#include "reduce.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kSortedInShared = 4096;

// ---- losses that sort, by a block ------------------------------------------------------------------------------------------------------

__device__ double order_key(int32_t loss, const Pair& pair, bool is_first) {
  return is_first ? first_key(loss, pair) : second_key(loss, pair);
}

// A number whose order is that of keys in before(): numbers ascend, -0 equals 0, and NaN is last.
__device__ uint64_t sortable(double key) {
  if (key != key) return ~uint64_t{0};
  const double number = key == 0 ? 0 : key;
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  return bits >> 63 != 0 ? ~bits : bits | uint64_t{1} << 63;
}

// Entries that are being sorted. An entry that only fills the order up to a power of two has the key of NaN and a higher number than every
// pair, so it is last.
struct Sorting {
  uint64_t* keys;
  uint16_t* pairs;
};

// One pass of the bitonic network: puts entries `distance` apart in order, ascending where bit `run` of their index is 0.
__device__ void exchange_pass(const Sorting& sorting, int length, int run, int distance) {
  for (int i = threadIdx.x; i < length / 2; i += kThreads) {
    const int low = 2 * i - (i & (distance - 1)), high = low + distance;
    const uint64_t low_key = sorting.keys[low], high_key = sorting.keys[high];
    const uint16_t low_pair = sorting.pairs[low], high_pair = sorting.pairs[high];
    const bool is_high_before = high_key != low_key ? high_key < low_key : high_pair < low_pair;
    if (is_high_before != ((low & run) == 0)) continue;
    sorting.keys[low] = high_key, sorting.keys[high] = low_key;
    sorting.pairs[low] = high_pair, sorting.pairs[high] = low_pair;
  }
}

// In a pass with a distance of at most 32, a warp reads and writes the same 64 entries (of every 512) as in any other such pass. Only
// passes with a larger distance, and the first pass after one, need entries of other warps.
__device__ void sort_in_shared(const Sorting& sorting, int length) {
  int distance_before = length;  // the entries were written by other warps too
  for (int run = 2; run <= length; run *= 2) {
    for (int distance = run / 2; distance > 0; distance /= 2) {
      if (distance > kWarp || distance_before > kWarp) {
        __syncthreads();
      } else {
        __syncwarp();
      }
      exchange_pass(sorting, length, run, distance);
      distance_before = distance;
    }
  }
  __syncthreads();
}

// Sorts both orders of a loss in shared memory and writes them to the workspace. Each thread writes the entries that add_sorted_terms reads
// in this thread.
__device__ void sort_small_orders(const dpo4j_preference_loss_params& x, int32_t loss, const Orders& orders) {
  DPO4J_SHARED(uint64_t, keys, [kSortedInShared]);
  DPO4J_SHARED(uint16_t, pairs, [kSortedInShared]);
  for (int which = 0; which < 2; which++) {
    const bool is_first = which == 0;
    for (int i = threadIdx.x; i < orders.length; i += kThreads) {
      keys[i] = i < x.pairs ? sortable(order_key(loss, pair_at(x, i), is_first)) : ~uint64_t{0};
      pairs[i] = static_cast<uint16_t>(i);
    }
    sort_in_shared({keys, pairs}, static_cast<int>(orders.length));
    OrderEntry* const order = is_first ? orders.first : orders.second;
    for (int k = threadIdx.x; k < x.pairs; k += kThreads) {
      const int32_t pair = pairs[k];
      order[k] = {order_key(loss, pair_at(x, pair), is_first), pair};
    }
    __syncthreads();  // keys and pairs may be written again
  }
}

// Sorts both orders of a loss in the workspace.
__device__ void sort_large_orders(const dpo4j_preference_loss_params& x, int32_t loss, const Orders& orders) {
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
    const int32_t loss = x.preference.loss[term];
    if (!sorts(loss)) continue;
    if (orders.length <= kSortedInShared) {
      sort_small_orders(x, loss, orders);
    } else {
      sort_large_orders(x, loss, orders);
    }
    for (int64_t k = threadIdx.x; k < x.pairs; k += kThreads) add_entry(x.preference, term, orders, k);
    __syncthreads();
  }
}

// ---- a block ---------------------------------------------------------------------------------------------------------------------------

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
  for (int64_t i = threadIdx.x; i < x.pairs; i += kThreads) add_metrics(sums, x, i, pair_at(x, i), x.losses[i]);
  DPO4J_SHARED(double, total, [kPairSums]);
  block_sums<kThreads>(sums, total);
  for (int m = threadIdx.x; m < DPO4J_METRIC_KL; m += kThreads) {
    x.metrics[2 * m] += total[m];
    x.metrics[2 * m + 1] += metric_count(x, m, total);
  }
}

template <bool SORTS>
__global__ void __launch_bounds__(kThreads, 1) losses_of_pairs(dpo4j_preference_loss_params x, Orders orders) {
  if constexpr (SORTS) add_sorted_terms(x, orders);
  const Batch batch = batch_of(x, x.running_mean ? advance_running_mean(x) : 0);
  for (int64_t i = threadIdx.x; i < x.pairs; i += kThreads) {
    Dual loss = loss_of_pair(x, i, pair_at(x, i), batch);
    if constexpr (SORTS) loss = loss + orders.sorted_terms[i];
    write_pair(x, i, loss);
  }
  if (x.metrics) write_metrics(x);
}

// ---- a warp ----------------------------------------------------------------------------------------------------------------------------

// The losses that sort, of the pair of this lane.
__device__ Dual sorted_terms_of_lane(const dpo4j_preference_loss_params& x, const Pair& pair) {
  DPO4J_SHARED(OrderEntry, first, [kWarp]);
  DPO4J_SHARED(OrderEntry, second, [kWarp]);
  DPO4J_SHARED(Dual, terms, [kWarp]);
  const int lane = static_cast<int>(threadIdx.x);
  terms[lane] = {0, 0, 0};
  for (int32_t term = 0; term < x.preference.terms; term++) {
    const int32_t loss = x.preference.loss[term];
    if (!sorts(loss)) continue;
    for (int which = 0; which < 2; which++) {
      const bool is_first = which == 0;
      const OrderEntry mine{order_key(loss, pair, is_first), lane};
      int place = 0;  // the number of entries before this lane's
      for (int other = 0; other < kWarp; other++) {
        place += before({__shfl_sync(kAllLanes, mine.key, other), other}, mine, x.pairs) ? 1 : 0;
      }
      (is_first ? first : second)[place] = mine;
    }
    __syncwarp();
    if (lane < x.pairs) add_entry(x.preference, term, {first, second, terms, kWarp}, lane);
    __syncwarp();
  }
  return terms[lane];
}

// The sum of the numbers, by the tree of warp_sum.
template <int N>
__device__ __forceinline__ double tree_sum(const double (&x)[N]) {
  if constexpr (N == 1) {
    return x[0];
  } else {
    double sums[N / 2];
#pragma unroll
    for (int i = 0; i < N / 2; i++) sums[i] = x[i] + x[i + N / 2];
    return tree_sum(sums);
  }
}

// total[i] = the sum of x[i] over the warp. Lane i adds number i of all lanes.
template <int N>
__device__ void warp_sums(const double (&x)[N], double (&total)[N]) {
  static_assert(N <= kWarp, "a lane for each number");
  DPO4J_SHARED(double, numbers, [N][kWarp + 1]);
  const int lane = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int i = 0; i < N; i++) numbers[i][lane] = x[i];
  __syncwarp();
  if (lane < N) {
    double mine[kWarp];
#pragma unroll
    for (int i = 0; i < kWarp; i++) mine[i] = numbers[lane][i];
    total[lane] = tree_sum(mine);
  }
  __syncwarp();
}

// Element i of an array of `count`; 0 if there is none.
template <class V>
__device__ __forceinline__ V element_or_0(const V* from, int i, int64_t count) {
  return from != nullptr && i < count ? from[i] : V{0};
}

// Copies the inputs of the pairs to shared memory, with all loads in flight together, and makes x refer to the copies. Without the copies
// the formulas would load each number where they need it, and the warp would wait for memory several times.
__device__ __forceinline__ void copy_inputs(dpo4j_preference_loss_params& x) {
  DPO4J_SHARED(float, sums, [2 * kWarp]);
  DPO4J_SHARED(float, reference, [2 * kWarp]);
  DPO4J_SHARED(int32_t, lengths, [2 * kWarp]);
  DPO4J_SHARED(float, weights, [kWarp]);
  DPO4J_SHARED(float, scales, [kWarp]);
  const int lane = static_cast<int>(threadIdx.x), second = lane + kWarp;
  const int64_t completions = 2 * x.pairs;
  const float sum = element_or_0(x.sums, lane, completions), second_sum = element_or_0(x.sums, second, completions);
  const float frozen = element_or_0(x.reference, lane, completions), second_frozen = element_or_0(x.reference, second, completions);
  const int32_t length = element_or_0(x.lengths, lane, completions), second_length = element_or_0(x.lengths, second, completions);
  const float weight = element_or_0(x.weights, lane, x.pairs), scale = element_or_0(x.scales, lane, 2);
  sums[lane] = sum, sums[second] = second_sum;
  reference[lane] = frozen, reference[second] = second_frozen;
  lengths[lane] = length, lengths[second] = second_length;
  weights[lane] = weight, scales[lane] = scale;
  __syncwarp();
  x.sums = sums;
  if (x.reference != nullptr) x.reference = reference;
  if (x.lengths != nullptr) x.lengths = lengths;
  if (x.weights != nullptr) x.weights = weights;
  if (x.scales != nullptr) x.scales = scales;
}

// DPO's loss alone: one term, of the log-ratios themselves.
bool is_sigmoid(const dpo4j_preference_loss_params& x) {
  const dpo4j_preference& p = x.preference;
  return p.terms == 1 && p.loss[0] == DPO4J_LOSS_SIGMOID && p.f_divergence_type == DPO4J_DIVERGENCE_REVERSE_KL && p.use_weighting == 0 &&
         x.running_mean == nullptr;
}

// Makes the options of is_sigmoid() constants, so that the compiler leaves out all other losses.
__device__ __forceinline__ void set_sigmoid(dpo4j_preference_loss_params& x) {
  x.preference.terms = 1;
  x.preference.loss[0] = DPO4J_LOSS_SIGMOID;
  x.preference.f_divergence_type = DPO4J_DIVERGENCE_REVERSE_KL;
  x.preference.use_weighting = 0;
  x.running_mean = nullptr;
}

// SIGMOID: the kernel for is_sigmoid() has a sixth of the instructions of that for all losses. In a training step other kernels have evicted
// them from the instruction caches, so the SM fetches them from L2, and with one warp nothing hides the latency.
template <bool SIGMOID>
__global__ void __launch_bounds__(kWarp, 1) losses_of_few_pairs(dpo4j_preference_loss_params x, bool is_sorted) {
  const int lane = static_cast<int>(threadIdx.x);
  const bool exists = lane < x.pairs, has_metric = x.metrics != nullptr && lane < DPO4J_METRIC_KL;
  double metric_sum = 0, count = 0;
  if (has_metric) metric_sum = x.metrics[2 * lane], count = x.metrics[2 * lane + 1];
  if constexpr (SIGMOID) {
    set_sigmoid(x);
    copy_inputs(x);
  }
  const Pair pair = exists ? pair_at(x, lane) : Pair{0, 0, 0, 0, 1, 1};
  double shift = 0;
  if (x.running_mean != nullptr) {
    const double sum = x.running_mean[0] + warp_sum(exists ? reward_chosen(x, pair) + reward_rejected(x, pair) : 0.0),
                 rewards = x.running_mean[1] + 2.0 * x.pairs;
    __syncwarp();
    if (lane == 0) x.running_mean[0] = sum, x.running_mean[1] = rewards;
    shift = sum / rewards;
  }
  Dual loss{0, 0, 0};
  if (exists) loss = loss_of_pair(x, lane, pair, batch_of(x, shift));
  if constexpr (!SIGMOID) {
    if (is_sorted) loss = loss + sorted_terms_of_lane(x, pair);
  }
  if (exists) write_pair(x, lane, loss);
  if (x.metrics == nullptr) return;
  double sums[kPairSums] = {};
  if (exists) add_metrics(sums, x, lane, pair, static_cast<float>(loss.value));
  DPO4J_SHARED(double, total, [kPairSums]);
  warp_sums(sums, total);
  if (!has_metric) return;
  x.metrics[2 * lane] = metric_sum + total[lane];
  x.metrics[2 * lane + 1] = count + metric_count(x, lane, total);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_preference_loss_params& x) {
  const bool is_sorted = sorts(x.preference);
  const dim3 grid(x.pairs > 0 ? 1 : 0);
  if (x.pairs <= kWarp) {
    return launch(context, is_sigmoid(x) ? losses_of_few_pairs<true> : losses_of_few_pairs<false>, grid, dim3(kWarp), 0, x, is_sorted);
  }
  if (!is_sorted) return launch(context, losses_of_pairs<false>, grid, dim3(kThreads), 0, x, Orders{});
  return launch(context, losses_of_pairs<true>, grid, dim3(kThreads), 0, x, orders_in(x.workspace, x.pairs));
}

}  // namespace dpo4j::cuda
