// Shared by the kernels of token_logprob: the transform of a logit, how a row is distributed over threads, the accumulators of its softmax,
// and the gradient of a logit.
//
// A row is cut into slices, and a team of threads reads each slice. A thread accumulates its columns in order, a tree merges the lanes of a
// warp, and the warps of all teams are merged in one order. Slices, teams and orders depend only on the vocabulary. So a row has the same
// bits whether its teams run one after another in one block or in parallel in the blocks of a cluster.
//
// The running maximum is updated once per 16 columns, which a thread reads together: 17 exponentials for 16 elements. x - maximum is
// computed first and then scaled to base 2. For logits close to the maximum this difference is exact, so errors do not grow with the size
// of the logits.
#pragma once

#include "formulas/logit_transform.h"
#include "reduce.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda::token_logprob {

// ---- a row and its threads --------------------------------------------------------------------------------------------------------------

constexpr int kTile = 16;  // columns that a thread reads together

__device__ __forceinline__ int32_t thread_of_team() { return static_cast<int32_t>(threadIdx.x); }

// The whole 16-byte vectors of one slice, and the columns that remain at the end of a row. Thread t of the team handles vectors t, t + threads, ..., so
// that accesses are coalesced, and the t-th remaining column.
template <class T>
struct Slice {
  int64_t begin;  // the first column
  int32_t vectors, left;
  __device__ Slice(int64_t begin, int64_t end)
      : begin(begin),
        vectors(static_cast<int32_t>((end - begin) / kPer16Bytes<T>)),
        left(static_cast<int32_t>((end - begin) % kPer16Bytes<T>)) {}
  __device__ int64_t columns_in_vectors() const { return static_cast<int64_t>(vectors) * kPer16Bytes<T>; }
  // The thread that handles a column, counted from `begin`; -1 if it is outside the slice.
  __device__ int32_t thread_of(int64_t column, int32_t threads) const {
    const int64_t beyond_vectors = column - columns_in_vectors();
    if (beyond_vectors >= left) return -1;
    return static_cast<int32_t>(beyond_vectors >= 0 ? beyond_vectors : column / kPer16Bytes<T> % threads);
  }
};

// The slices of a row.
struct Teams {
  int64_t vocabulary;
  int64_t width;  // columns of a slice; a multiple of kTile, so that every slice is 16-byte aligned
  int32_t count;
  int32_t threads;  // of a team
  __device__ int32_t warps() const { return threads / kWarp; }
  __device__ int64_t begin(int32_t team) const { return team * width < vocabulary ? team * width : vocabulary; }
  template <class T>
  __device__ Slice<T> slice(int32_t team) const {
    return {begin(team), begin(team + 1)};
  }
};

constexpr int kTeamThreads = 256, kMaxWarps = 64;  // threads of a team; warps of all teams of a row

inline Teams teams_of(int64_t vocabulary) {
  constexpr int64_t kShort = 4096, kMedium = 65536;
  if (vocabulary <= kShort) return {vocabulary, divide_up(vocabulary, kTile) * kTile, 1, 64};
  const int32_t count = vocabulary <= kMedium ? 4 : 8;
  return {vocabulary, divide_up(vocabulary, count * kTile) * kTile, count, kTeamThreads};
}

template <class Params>
__device__ __forceinline__ int64_t logits_row(const Params& x, int64_t row) {
  return x.row_index ? x.row_index[row] : row;
}

// Words i, i + threads, ... of a slice.
template <class T>
struct Tile {
  static constexpr int kVectors = kTile / kPer16Bytes<T>;
  Packed16<T> vectors[kVectors];
};

// A vector of -inf, for columns beyond the vocabulary.
__device__ __forceinline__ float4 no_columns(const float*) { return make_float4(-INFINITY, -INFINITY, -INFINITY, -INFINITY); }
__device__ __forceinline__ uint4 no_columns(const __nv_bfloat16*) { return make_uint4(0xff80ff80u, 0xff80ff80u, 0xff80ff80u, 0xff80ff80u); }
__device__ __forceinline__ uint4 no_columns(const __half*) { return make_uint4(0xfc00fc00u, 0xfc00fc00u, 0xfc00fc00u, 0xfc00fc00u); }

template <Access A, class T>
__device__ __forceinline__ Packed16<T> load_packed(const T* slice, int32_t i) {
  return load_vector<A>(reinterpret_cast<const Packed16<T>*>(slice) + i);
}

// Calls step(tile, i) for this thread's tiles in ascending order; i is the first vector of the tile, and load(i) reads a vector. Vectors beyond
// the slice are -inf. The next tile is loaded while one is processed.
template <class T, class Load, class Step>
__device__ __forceinline__ void for_tiles(int32_t vectors, int32_t threads, Load load, Step step) {
  constexpr int kVectors = Tile<T>::kVectors;
  const auto load_tile = [&](int32_t first) {
    Tile<T> tile;
#pragma unroll
    for (int k = 0; k < kVectors; k++) {
      const int32_t i = first + k * threads;
      tile.vectors[k] = i < vectors ? load(i) : no_columns(static_cast<const T*>(nullptr));
    }
    return tile;
  };
  int32_t i = thread_of_team();
  Tile<T> next = load_tile(i);
  for (; i < vectors; i += kVectors * threads) {
    const Tile<T> tile = next;
    next = load_tile(i + kVectors * threads);
    step(tile, i);
  }
}

// ---- the transform of a logit -----------------------------------------------------------------------------------------------------------

struct Seen {
  float z, slope;  // slope: dz / d logit
};

// No transform.
struct Plain {
  static constexpr bool kTransforms = false;
  template <class Params>
  __device__ explicit Plain(const Params&) {}
  template <int N>
  __device__ __forceinline__ Vec<N> operator()(const Vec<N>& logits, int64_t) const {
    return logits;
  }
};

// cap tanh(scale (x + bias) / cap), or scale (x + bias), computed in registers wherever a logit is read. __fmul_rn and __fadd_rn keep the
// compiler from fusing operations, so that z has the same bits wherever it is computed. tanhf has an error of at most 2 ulp. The hardware
// instruction for tanh has an error of 2^-11, which is 0.01 nat at a cap of 30.
struct Transformed {
  static constexpr bool kTransforms = true;
  const float* bias;
  int64_t vocabulary;
  float scale, cap, over_cap;

  template <class Params>
  __device__ explicit Transformed(const Params& x)
      : bias(x.transform.bias),
        vocabulary(x.vocabulary),
        scale(x.transform.scale),
        cap(x.transform.cap),
        over_cap(x.transform.cap == 0 ? 0.0f : 1.0f / x.transform.cap) {}

  // The bias of columns from `column` on: a whole vector, or one. 0 beyond the vocabulary.
  template <int N>
  __device__ __forceinline__ Vec<N> bias_of(int64_t column) const {
    if (bias != nullptr && column + N <= vocabulary) return load<N>(bias + column);
    return Vec<N>{};
  }

  __device__ __forceinline__ Seen see(float logit, float bias_of_logit) const {
    const float scaled = __fmul_rn(scale, __fadd_rn(logit, bias_of_logit));
    if (cap == 0) return {scaled, scale};
    const float t = tanhf(__fmul_rn(scaled, over_cap));
    const float slope = __fmul_rn(__fadd_rn(1.0f, -t), __fadd_rn(1.0f, t));
    return {scaled == -INFINITY ? scaled : __fmul_rn(cap, t), __fmul_rn(scale, slope)};
  }

  template <int N>
  __device__ __forceinline__ Vec<N> operator()(Vec<N> logits, int64_t column) const {
    const Vec<N> biases = bias_of<N>(column);
#pragma unroll
    for (int k = 0; k < N; k++) logits[k] = see(logits[k], biases[k]).z;
    return logits;
  }
};

template <class L, class T>
__device__ __forceinline__ float see_one(const L& transform, const T* row, int64_t column) {
  return transform(Vec<1>{{load_one(row + column)}}, column)[0];
}

// ---- the softmax of a row ---------------------------------------------------------------------------------------------------------------

constexpr float kLog2E = 1.44269504088896340736f;

__device__ __forceinline__ float exponential(float x) { return exp2f(x * kLog2E); }

// One instruction instead of four. Subnormal results are flushed to 0, which does not change a sum whose max term is 1.
__device__ __forceinline__ float flushed_exponential(float x) {
#ifdef __CUDACC__
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x * kLog2E));
  return power;
#else
  const float power = exponential(x);
  return power < 0x1p-126f ? 0.0f : power;
#endif
}

// exp of this or of less is flushed to 0. Used instead of -inf where the product with that 0 would be NaN.
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

// The maximum, or 0 if it is -inf: -inf minus -inf would be NaN, while any finite number works.
__device__ __forceinline__ float finite_reference(float maximum) { return maximum == -INFINITY ? 0.0f : maximum; }

// Rescales sums to another maximum. __fmul_rn keeps the compiler from fusing a product with the addition in merge(): it would fuse the
// product of one side only, and the result would depend on the order of the sides.
template <class S>
__device__ __forceinline__ void move(S& sums, float maximum) {
  const float distance = sums.maximum - finite_reference(maximum);
  const float factor = flushed_exponential(distance);
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

// Updates the max logit before the target, which is column `target` of the slice. A thread reads columns in ascending order. So if a whole
// tile is before the target, this max is the running maximum.
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

template <class T, class S, class L>
__device__ __forceinline__ void add_tile(S& sums, const Tile<T>& tile, const L& transform, int64_t begin, int32_t i, int32_t threads,
                                         uint32_t target) {
  Vec<kTile> x;
  float maximum = sums.maximum;
#pragma unroll
  for (int w = 0; w < Tile<T>::kVectors; w++) {
    const Vec<kPer16Bytes<T>> z = transform(unpack<T>(tile.vectors[w]), begin + static_cast<int64_t>(i + w * threads) * kPer16Bytes<T>);
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
    const float distance = x[k] - reference, power = flushed_exponential(distance);
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

// Accumulates this thread's columns of a slice of `row`. Calls keep(vector, i) with every whole vector.
template <class S, Access A, class T, class L, class Keep>
__device__ __forceinline__ S sums_of(const T* row, const L& transform, const Slice<T>& slice, int32_t threads, int32_t target, Keep keep) {
  S sums = no_logits<S>();
  const T* slice_logits = row + slice.begin;
  const uint32_t target_in_slice = target > slice.begin ? static_cast<uint32_t>(target - slice.begin) : 0;
  for_tiles<T>(
      slice.vectors, threads, [&](int32_t i) { return load_packed<A>(slice_logits, i); },
      [&](const Tile<T>& tile, int32_t i) {
#pragma unroll
        for (int k = 0; k < Tile<T>::kVectors; k++) keep(tile.vectors[k], i + k * threads);
        add_tile<T>(sums, tile, transform, slice.begin, i, threads, target_in_slice);
      });
  if (thread_of_team() < slice.left) {
    const int64_t column = slice.columns_in_vectors() + thread_of_team();
    add_logit(sums, see_one(transform, row, slice.begin + column), column < target_in_slice);
  }
  return sums;
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

// d ((j == target) - exp(z - lse)) dz/dx for columns j other than the target.
template <int N, class L>
__device__ __forceinline__ Vec<N> gradient(const Vec<N>& logits, const L& transform, int64_t column, float lse, float d_logprob) {
  Vec<N> d;
  // The sign is applied to d_logprob, where it costs no instruction.
  const auto scaled_probability = [&](float z) { return __fmul_rn(-d_logprob, exponential(z - lse)); };
  if constexpr (L::kTransforms) {
    const Vec<N> bias = transform.template bias_of<N>(column);
#pragma unroll
    for (int k = 0; k < N; k++) {
      const Seen seen = transform.see(logits[k], bias[k]);
      d[k] = __fmul_rn(scaled_probability(seen.z), seen.slope);
    }
  } else {
#pragma unroll
    for (int k = 0; k < N; k++) d[k] = scaled_probability(logits[k]);
  }
  return d;
}

// The same for the target: -d expm1(z - lse) dz/dx. Unlike 1 - exp(z - lse), it keeps its digits when the probability of the target is
// close to 1.
template <class L>
__device__ __forceinline__ float gradient_at_target(float logit, const L& transform, int64_t target, float lse, float d_logprob) {
  if constexpr (L::kTransforms) {
    const Seen seen = transform.see(logit, transform.template bias_of<1>(target)[0]);
    return -d_logprob * expm1f(seen.z - lse) * seen.slope;
  } else {
    return -d_logprob * expm1f(logit - lse);
  }
}

// Writes the gradient of a thread's columns of a slice; load(i) reads its vectors. The remaining columns and that of the target are read from
// `row` before any is written. At the end, the gradient of the target overwrites the one written with its vector.
template <class T, class Out, class L, class Load>
__device__ __forceinline__ void store_gradient(Out* d_row, const T* row, const L& transform, const Slice<T>& slice, int32_t threads,
                                               int32_t target, float lse, float d_logprob, Load load) {
  const T* from = row + slice.begin;
  Out* to = d_row + slice.begin;
  const int64_t target_in_slice = target - slice.begin;
  const bool has_target = target_in_slice >= 0 && slice.thread_of(target_in_slice, threads) == thread_of_team();
  const float at_target = has_target ? load_one(row + target) : 0.0f;
  for_tiles<T>(slice.vectors, threads, load, [&](const Tile<T>& tile, int32_t first) {
#pragma unroll
    for (int k = 0; k < Tile<T>::kVectors; k++) {
      const int32_t i = first + k * threads;
      if (i >= slice.vectors) break;
      const int64_t column = static_cast<int64_t>(i) * kPer16Bytes<T>;
      store<kPer16Bytes<T>, Access::kOnce>(to + column,
                                           gradient(unpack<T>(tile.vectors[k]), transform, slice.begin + column, lse, d_logprob));
    }
  });
  if (thread_of_team() < slice.left) {
    const int64_t column = slice.columns_in_vectors() + thread_of_team();
    store_one(to + column, gradient(Vec<1>{{load_one(from + column)}}, transform, slice.begin + column, lse, d_logprob)[0]);
  }
  if (has_target) store_one(d_row + target, gradient_at_target(at_target, transform, target, lse, d_logprob));
}

// Writes the gradient of a row that is not read: `value` is exactly 0 for a masked row, and NaN if the target is beyond the vocabulary.
template <class T, class Out>
__device__ __forceinline__ void store_all(Out* d_row, const Slice<T>& slice, int32_t threads, float value) {
  Out* to = d_row + slice.begin;
  Vec<kPer16Bytes<T>> d;
#pragma unroll
  for (int k = 0; k < kPer16Bytes<T>; k++) d[k] = value;
  for (int32_t i = thread_of_team(); i < slice.vectors; i += threads) {
    store<kPer16Bytes<T>, Access::kOnce>(to + static_cast<int64_t>(i) * kPer16Bytes<T>, d);
  }
  if (thread_of_team() < slice.left) store_one(to + slice.columns_in_vectors() + thread_of_team(), value);
}

// True for a row that is masked or whose target is beyond the vocabulary; `value` is then the value of all its results.
__device__ __forceinline__ bool is_not_read(int32_t target, int64_t vocabulary, float& value) {
  value = target < 0 ? 0.0f : NAN;
  return target < 0 || target >= vocabulary;
}

// ---- dtypes and transforms --------------------------------------------------------------------------------------------------------------

template <class T>
struct Named {
  using Type = T;
};

// Calls launch(Named<T>) with the type of a dpo4j_dtype.
template <class Launch>
int with_stored(int32_t dtype, Launch launch) {
  if (dtype == DPO4J_BF16) return launch(Named<__nv_bfloat16>{});
  if (dtype == DPO4J_F16) return launch(Named<__half>{});
  return launch(Named<float>{});
}

// Calls launch(Named<L>) with the transform of logits.
template <class Launch>
int with_transform(const dpo4j_logit_transform& transform, Launch launch) {
  return is_identity(transform) ? launch(Named<Plain>{}) : launch(Named<Transformed>{});
}

}  // namespace dpo4j::cuda::token_logprob
