// The accumulators of the softmax of a row of logits, for the forward kernels of token_logprob.
//
// The running maximum is updated once per 16 columns, which a thread reads together: 17 exponentials for 16 elements. x - maximum is
// computed first and then scaled to base 2. For logits close to the maximum this difference is exact, so errors do not grow with the size
// of the logits.
#pragma once

#include "math.cuh"
#include "token_logprob.cuh"

namespace dpo4j::cuda::token_logprob {

__device__ __forceinline__ float exp_flushed(float x) { return exp2_flushed(x * kLog2E); }

// exp of this or of less is flushed to 0. Used instead of -inf, whose product with that 0 would be NaN.
constexpr float kVanishing = -128.0f;

// The accumulator of a set of logits: their maximum m and the sum of exp(x - m). It is {-inf, 0} for an empty set, or if all logits are
// -inf.
struct Sums {
  static constexpr bool kStatistics = false;
  float maximum, sum;
};

// The same, with the sums for statistics.
struct StatisticsSums {
  static constexpr bool kStatistics = true;
  float maximum, sum;
  float weighted;  // sum of exp(x - m) (x - m)
  float squares;   // sum of exp(x - m)^2
  float total;     // sum of the x that are not -inf
  float before;    // max x before the column of the target
  int32_t count;   // number of the x that are not -inf
};

template <class S>
__device__ __forceinline__ S no_logits() {
  S sums{};
  sums.maximum = -INFINITY;
  if constexpr (S::kStatistics) sums.before = -INFINITY;
  return sums;
}

// Rescales sums to another maximum. __fmul_rn keeps the compiler from fusing a product with the addition in merge(): it would fuse the
// product of one side only, and the result would depend on the order of the sides.
template <class S>
__device__ __forceinline__ void move(S& sums, float maximum) {
  const float distance = sums.maximum - finite_reference(maximum);
  const float factor = exp_flushed(distance);
  if constexpr (S::kStatistics) {
    sums.weighted = __fmul_rn(factor, fmaf(sums.sum, fmaxf(distance, kVanishing), sums.weighted));
    sums.squares = __fmul_rn(__fmul_rn(factor, factor), sums.squares);
  }
  sums.sum = __fmul_rn(factor, sums.sum);
  sums.maximum = maximum;
}

// merge(a, b) and merge(b, a) have the same bits, so that both lanes of a shuffle get the same result.
template <class S>
__device__ __forceinline__ S merge(S a, S b) {
  const float maximum = fmaxf(a.maximum, b.maximum);
  move(a, maximum);
  move(b, maximum);
  a.sum += b.sum;
  if constexpr (S::kStatistics) {
    a.weighted += b.weighted;
    a.squares += b.squares;
    a.total += b.total;
    a.before = fmaxf(a.before, b.before);
    a.count += b.count;
  }
  return a;
}

// Adds the sum and the number of the logits that are not -inf. They are checked one by one only if their sum is -inf.
__device__ __forceinline__ void add_total(StatisticsSums& sums, const Vec<kTile>& x) {
  float total = 0;
  int32_t count = kTile;
#pragma unroll
  for (int k = 0; k < kTile; k++) total += x[k];
  if (total == -INFINITY) {
    total = 0;
    count = 0;
#pragma unroll
    for (int k = 0; k < kTile; k++) {
      if (x[k] != -INFINITY) total += x[k], count++;
    }
  }
  sums.total += total;
  sums.count += count;
}

// Updates the max logit before the target; i is the tile's first vector of the row. A thread reads columns of a slice in ascending order. So
// if a whole tile is before the target, this max is the running maximum.
template <class T>
__device__ __forceinline__ void add_before(StatisticsSums& sums, const Vec<kTile>& x, uint32_t i, uint32_t threads, uint32_t target) {
  constexpr uint32_t kElements = kPer16Bytes<T>;
  if ((i + (Tile<T>::kVectors - 1) * threads + 1) * kElements <= target) {
    sums.before = sums.maximum;
  } else if (i * kElements < target) {
#pragma unroll
    for (uint32_t k = 0; k < kTile; k++) {
      if ((i + k / kElements * threads) * kElements + k % kElements < target) sums.before = fmaxf(sums.before, x[k]);
    }
  }
}

// Adds the tile that begins at vector i of the row.
template <class T, class S, class L>
__device__ __forceinline__ void add_tile(S& sums, const Tile<T>& tile, const L& transform, int32_t i, int32_t threads, uint32_t target) {
  Vec<kTile> x;
  float maximum = sums.maximum;
#pragma unroll
  for (int w = 0; w < Tile<T>::kVectors; w++) {
    const Vec<kPer16Bytes<T>> z = transform(unpack<T>(tile.vectors[w]), static_cast<int64_t>(i + w * threads) * kPer16Bytes<T>);
#pragma unroll
    for (int k = 0; k < kPer16Bytes<T>; k++) {
      x[w * kPer16Bytes<T> + k] = z[k];
      maximum = fmaxf(maximum, z[k]);
    }
  }
  move(sums, maximum);
  const float reference = finite_reference(maximum);
  float sum = 0;
#pragma unroll
  for (int k = 0; k < kTile; k++) {
    const float distance = x[k] - reference, power = exp_flushed(distance);
    sum += power;
    if constexpr (S::kStatistics) {
      sums.weighted = fmaf(power, fmaxf(distance, kVanishing), sums.weighted);
      sums.squares = fmaf(power, power, sums.squares);
    }
  }
  sums.sum += sum;
  if constexpr (S::kStatistics) {
    add_total(sums, x);
    add_before<T>(sums, x, i, threads, target);
  }
}

template <class S>
__device__ __forceinline__ void add_logit(S& sums, float x, bool before_target) {
  S one = no_logits<S>();
  if (x != -INFINITY) {
    one.maximum = x;
    one.sum = 1;
    if constexpr (S::kStatistics) {
      one.squares = 1;
      one.total = x;
      one.count = 1;
      if (before_target) one.before = x;
    }
  }
  sums = merge(sums, one);
}

// The teams whose slices a thread reads, one after another: first, first + step, ... below end.
struct TeamRange {
  int32_t first, end, step;
};

// A row that a block reads. After the last one, logits_row is -1.
struct ListedRow {
  int64_t logits_row;
  int32_t target;
  int32_t k;  // which of the block's rows it is
};

// A row that accumulate() reads from memory and does not keep; the thread reads the row that is listed after it next.
template <class T>
struct ReadOnce {
  static constexpr Access kAccess = Access::kOnce;
  const T* all;  // the logits of all rows
  int64_t stride;
  const ListedRow* listed;  // in shared memory
  __device__ __forceinline__ const T* logits() const { return all + listed[0].logits_row * stride; }
  __device__ __forceinline__ const T* following() const { return listed[1].logits_row < 0 ? nullptr : all + listed[1].logits_row * stride; }
  __device__ __forceinline__ void keep(const Packed16<T>&, int32_t, int32_t) const {}
  __device__ __forceinline__ void keep_one(int64_t) const {}
};

// The first tile of this thread in a slice of a row; -inf if there is no row.
template <Access A, class T>
__device__ __forceinline__ Tile<T> first_tile(const T* logits, const Teams& teams, int32_t team) {
  return load_tile<T>(teams.first_vector(team), logits != nullptr ? teams.end_vector(team) : 0, teams.threads,
                      [&](int32_t i) { return load_packed<A>(logits, i); });
}

// Accumulates this thread's columns of some slices of a row, and calls done(team, sums) after each slice. Calls row.keep(vector, i, end) with
// every vector that it reads, i counted from the start of the row and `end` that of the slice, and row.keep_one(column) for every column
// after the last whole vector. The next tile is loaded while one is processed, also that of the next slice and of the following row. So
// loads are in flight while done() merges the lanes of a slice. `next` is the first tile of this row, and then of the following.
template <class S, class T, class L, class Row, class Done>
__device__ __forceinline__ void accumulate(const Row& row, Tile<T>& next, const L& transform, const Teams& teams, TeamRange range,
                                           int32_t target, Done done) {
  constexpr int32_t kVectors = Tile<T>::kVectors;
  const int32_t stride = kVectors * teams.threads;
  const T* from = row.logits();
  int32_t i = teams.first_vector(range.first);
  for (int32_t team = range.first; team < range.end; team += range.step) {
    S sums = no_logits<S>();
    const int32_t slice_end = teams.end_vector(team);
    // Adds the tile that has been loaded, which begins at vector `current`, and loads the one at vector i.
    const auto step = [&](int32_t current, int32_t end) {
      const Tile<T> tile = next;
      next = load_tile<T>(i, end, teams.threads, [&](int32_t vector) { return load_packed<Row::kAccess>(from, vector); });
#pragma unroll
      for (int k = 0; k < kVectors; k++) row.keep(tile.vectors[k], current + k * teams.threads, slice_end);
      add_tile<T>(sums, tile, transform, current, teams.threads, static_cast<uint32_t>(target));
    };
    int32_t current = i;
    for (i += stride; i < slice_end; current = i, i += stride) step(current, slice_end);
    const int32_t coming = team + range.step < range.end ? team + range.step : range.first;
    if (team + range.step >= range.end) from = row.following();
    i = teams.first_vector(coming);
    step(current, from != nullptr ? teams.end_vector(coming)
                                  : 0);  // a slice without a vector for this thread adds a tile of -inf, which changes nothing
    if (team == teams.count - 1 && thread_of_team() < teams.left) {
      const int64_t column = static_cast<int64_t>(teams.vectors) * kPer16Bytes<T> + thread_of_team();
      row.keep_one(column);
      add_logit(sums, transform_one(transform, row.logits(), column), column < target);
    }
    done(team, sums);
  }
}

template <class S>
__device__ __forceinline__ S shuffle_xor(const S& sums, int distance) {
  uint32_t words[sizeof(S) / 4];
  memcpy(words, &sums, sizeof sums);
#pragma unroll
  for (uint32_t& word : words) word = __shfl_xor_sync(kAllLanes, word, distance);
  S other;
  memcpy(&other, words, sizeof other);
  return other;
}

template <class S>
__device__ __forceinline__ S merge_lanes(S sums) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) sums = merge(sums, shuffle_xor(sums, distance));
  return sums;
}

// Merges the accumulators of the row's warps; warp_sums(i) is that of warp i. All lanes of one warp call it.
template <class S, class WarpSums>
__device__ __forceinline__ S merge_warps(const Teams& teams, WarpSums warp_sums) {
  const int32_t warps = teams.count * teams.warps();
  S sums = no_logits<S>();
#pragma unroll 1
  for (int32_t i = thread_of_team(); i < warps; i += kWarp) sums = merge(sums, warp_sums(i));
  return merge_lanes(sums);
}

// ---- results ----------------------------------------------------------------------------------------------------------------------------

// Writes the same value to all results of a row that is not read.
template <class S, class Params>
__device__ __forceinline__ void write_all(const Params& x, int64_t row, float value) {
  x.logprob[row] = x.lse[row] = value;
  if constexpr (S::kStatistics) reinterpret_cast<float4*>(x.statistics)[row] = make_float4(value, value, value, value);
}

template <class S>
__device__ __forceinline__ float lse_of(const S& sums) {
  return sums.maximum + logf(sums.sum);
}

template <class S, class Params>
__device__ __forceinline__ void write_results(const Params& x, int64_t row, const S& sums, float at_target) {
  const float log_sum = logf(sums.sum), distance = at_target - sums.maximum;
  x.logprob[row] = distance - log_sum;
  x.lse[row] = lse_of(sums);
  if constexpr (S::kStatistics) {
    static_assert(DPO4J_TOKEN_ENTROPY == 0 && DPO4J_TOKEN_HIT == 1 && DPO4J_TOKEN_MEAN_LOGIT == 2 && DPO4J_TOKEN_LOG_WEIGHT == 3 &&
                      DPO4J_TOKEN_STATISTICS == 4,
                  "a row of statistics is four numbers, in this order");
    const float entropy = log_sum - sums.weighted / sums.sum;
    const float hit = at_target == sums.maximum && sums.before < at_target ? 1.0f : 0.0f;
    const float log_weight = distance + (log_sum - logf(sums.squares));  // logprob - (log squares - 2 log sum)
    reinterpret_cast<float4*>(x.statistics)[row] = make_float4(entropy, hit, sums.total / sums.count, log_weight);
  }
}

}  // namespace dpo4j::cuda::token_logprob
