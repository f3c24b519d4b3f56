// The statistics of lm_head_forward and lm_head_exponentials, those of token_logprob: entropy, hit, mean logit and WPO's log weight.
//
//   a_j     = c x_j - M, M of the row; S = sum of 2^a_j, W = sum of 2^a_j a_j, Q = sum of 2^(2 a_j)
//   entropy = log S - W / (S log2(e)), log weight = logprob - (log Q - 2 log S), mean = the mean of the z_j that are not -inf
//   hit     = 1 if no rival of another tile is above z_t, none of an earlier tile equals it, and it is the first max of its own tile
//
// products() writes TileStatistics beside each Partial. That is 20 bytes per row and tile, and an fma for W, one for Q, a maximum and an addition per
// element. merge_statistics() merges those of a row in fp64, in the order of merge(). The bits of log-probs do not depend on statistics.
#pragma once

#include "lm_head_products_sm90a.cuh"

namespace dpo4j::cuda::lm_head_forward {

// Sums of any set of tiles of a row, relative to their maximum.
struct StatisticsSums {
  float maximum;
  double sum, weighted, squares, total, count;
  bool is_beaten;

  __device__ void add(StatisticsSums other) {
    const float larger = fmaxf(maximum, other.maximum);
    move(larger);
    other.move(larger);
    sum += other.sum;
    weighted += other.weighted;
    squares += other.squares;
    total += other.total;
    count += other.count;
    is_beaten |= other.is_beaten;
  }

 private:
  __device__ void move(float to) {
    const double distance = static_cast<double>(maximum) - finite_reference(to), factor = exp2(distance);
    if (factor > 0) {
      weighted = factor * (weighted + sum * distance);
    } else if (factor == 0) {
      weighted = 0;  // not 0 times -inf
    }
    squares *= factor * factor;
    sum *= factor;
    maximum = to;
  }
};

// The sums of tile `tile`. `target`: the column of the target.
__device__ __forceinline__ StatisticsSums statistics_of_tile(const Problem& problem, int64_t row, uint32_t tile, int32_t target,
                                                             float at_target) {
  const Partial partial = problem.partials[tile * problem.rows + row];
  const TileStatistics of_tile = problem.statistics[tile * problem.rows + row];
  const bool is_before = static_cast<int32_t>(tile) < target / kTileVocabulary;
  const bool is_beaten = of_tile.rival > at_target || (is_before && of_tile.rival == at_target);
  return {partial.maximum, partial.sum, of_tile.weighted, of_tile.squares, of_tile.total, of_tile.count, is_beaten};
}

__device__ __forceinline__ float4 results_of(const Problem& problem, const StatisticsSums& sums, float at_target) {
  static_assert(DPO4J_TOKEN_ENTROPY == 0 && DPO4J_TOKEN_HIT == 1 && DPO4J_TOKEN_MEAN_LOGIT == 2 && DPO4J_TOKEN_LOG_WEIGHT == 3 &&
                    DPO4J_TOKEN_STATISTICS == 4,
                "a row of statistics is four numbers, in this order");
  const double log_sum = log(sums.sum);
  const double distance = (static_cast<double>(at_target) * problem.to_base_2 - sums.maximum) * problem.from_base_2;
  return make_float4(static_cast<float>(log_sum - sums.weighted / sums.sum * (1 / kLog2EDouble)),
                     sums.is_beaten || isnan(at_target) ? 0.0f : 1.0f, static_cast<float>(problem.unit * sums.total / sums.count),
                     static_cast<float>(distance + (log_sum - log(sums.squares))));
}

// A block takes 32 rows, one per lane. Warp w merges tiles w, w + kMergingWarps, ..., and the first warp merges the results of the warps.
template <class Params>
__global__ void __launch_bounds__(kMergingWarps* kWarp) merge_statistics(Params x, Problem problem) {
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const int64_t row = int64_t{blockIdx.x} * kWarp + lane;
  const int32_t target = row < x.rows ? x.targets[row] : -1;
  const bool is_read = target >= 0 && target < x.vocabulary;
  const float at_target = is_read ? problem.at_target[row] : 0;
  StatisticsSums sums{-INFINITY, 0, 0, 0, 0, 0, false};
  for (uint32_t tile = warp; is_read && tile < problem.vocabulary_tiles; tile += kMergingWarps)
    sums.add(statistics_of_tile(problem, row, tile, target, at_target));
  DPO4J_SHARED(StatisticsSums, warp_sums, [kMergingWarps][kWarp]);
  warp_sums[warp][lane] = sums;
  __syncthreads();
  if (warp > 0 || row >= x.rows) return;
  for (int other = 1; other < kMergingWarps; other++) sums.add(warp_sums[other][lane]);
  const float otherwise = target < 0 ? 0.0f : NAN;
  reinterpret_cast<float4*>(x.statistics)[row] =
      is_read ? results_of(problem, sums, at_target) : make_float4(otherwise, otherwise, otherwise, otherwise);
}

template <class Params>
int launch_statistics(const LaunchContext& context, const Params& x, const Problem& problem) {
  if (x.statistics == nullptr) return cudaSuccess;
  return launch(context, merge_statistics<Params>, dim3(divide_up(x.rows, kWarp)), dim3(kMergingWarps * kWarp), 0, x, problem);
}

// Calls call(Kind) for what these params ask for.
template <bool STORES, class Params, class Call>
int for_kind(const Params& x, Call call) {
  const bool statistics = x.statistics != nullptr;
  if (is_transformed(x.transform)) return statistics ? call(Kind<true, STORES, true>{}) : call(Kind<true, STORES, false>{});
  return statistics ? call(Kind<false, STORES, true>{}) : call(Kind<false, STORES, false>{});
}

}  // namespace dpo4j::cuda::lm_head_forward
