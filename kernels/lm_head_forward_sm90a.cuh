// The parts of lm_head_forward and lm_head_exponentials other than loads and products: the order of tiles, the transform of accumulators
// into logits, the reduction of a tile, its exponentials, and the merge of a row's reductions. Statistics: lm_head_statistics_sm90a.cuh.
//
// Reductions are in base 2. x_j is an accumulator and c = scale log2(e); with a transform, x_j is a logit and c = log2(e). M = c max x_j is
// rounded once per row of a tile, and e_j = c x_j - M is rounded once. e_j is computed from the rounded M, so the rounding of M causes no
// error in
//   log sum exp z = (M + log2 sum 2^e_j) / log2(e)
// and only the error of c x_j itself grows with the size of the logits.
#pragma once

#include <algorithm>

#include "cluster.cuh"
#include "math.cuh"
#include "reduce.cuh"
#include "ring.cuh"
#include "vectors.cuh"
#include "wgmma.cuh"

namespace dpo4j::cuda::lm_head_forward {

constexpr int kTileRows = 128, kTileVocabulary = kProductColumns;

// The reduction of one row and one tile of the vocabulary: M (-inf if all columns are -inf) and the sum of 2^e_j.
struct alignas(8) Partial {
  float maximum, sum;
};

// The same for statistics, a_j = c x_j - M.
struct TileStatistics {
  float weighted;  // sum of 2^a_j a_j
  float squares;   // sum of 2^(2 a_j)
  float total;     // sum of the x_j that are not -inf
  float count;     // number of the x_j that are not -inf
  float rival;     // max x_j; in the tile of the target: -inf if the target is its first max x_j, else +inf
};

// What lm_head_exponentials stores besides: E[row, j] = 2^(c x_j - offset) dz_j/dy_j in bf16, y_j = scale (x_j + b_j).
struct Stored {
  __nv_bfloat16* exponentials;  // [rows, stride]
  int64_t stride;
  float* offsets;           // [rows]; +inf: E is 0 whatever x_j is, also if it is NaN
  const uint32_t* repeats;  // null, or a word that is 0 if the launch has nothing to do
};

struct Problem {
  Partial* partials;           // [vocabulary_tiles][rows]
  TileStatistics* statistics;  // [vocabulary_tiles][rows]; null if they are not computed
  float* at_target;            // [rows], the accumulator or logit of the target
  const float* bias;           // or null
  const int32_t* targets;
  int64_t rows;
  int32_t vocabulary;
  int32_t steps;                         // the number of steps of 64 columns of x
  uint32_t vocabulary_tiles, row_tiles;  // tiles of 256 columns; tiles of 128 rows, or 256 in a cluster
  uint32_t together;                     // the number of row tiles whose x stays in L2
  float scale, cap;                      // cap 0: none
  float to_base_2;                       // c
  double from_base_2;                    // converts base 2 to nats: 1 / log2(e), corrected for the rounding of c
  double unit;                           // z_j = unit x_j
  Stored stored;
};

// ---- the order of tiles -----------------------------------------------------------------------------------------------------------------

// Iterates over the tiles of one cluster: tiles `first`, `first` + `stride`, ... of a global order, where `stride` is the number of
// clusters. In this order, groups of `together` row tiles come one after another; in a group, the tiles of the vocabulary; for each of
// these, the row tiles of the group. The next tile is found without a division, because no other work would hide its latency.
class TileIterator {
 public:
  __device__ TileIterator(const Problem& problem, uint32_t first, uint32_t stride)
      : rows_(problem.row_tiles), columns_(problem.vocabulary_tiles), stride_(stride) {
    start_group(0, problem.together, first);
  }
  __device__ bool is_valid() const { return group_begin_ < rows_; }
  __device__ int32_t row_tile() const { return static_cast<int32_t>(group_begin_ + row_); }
  __device__ int32_t vocabulary_tile() const { return static_cast<int32_t>(column_); }

  __device__ void advance() {
    row_ += step_rows_;
    column_ += step_columns_;
    if (row_ >= group_rows_) row_ -= group_rows_, column_++;
    if (column_ >= columns_) start_group(group_begin_ + group_rows_, group_rows_, (column_ - columns_) * group_rows_ + row_);
  }

 private:
  // Moves to tile number `tile` of the group. If the group has fewer tiles, continues in later groups.
  __device__ void start_group(uint32_t begin, uint32_t group_rows, uint32_t tile) {
    for (;;) {
      group_begin_ = begin;
      if (begin >= rows_) return;
      group_rows_ = rows_ - begin < group_rows ? rows_ - begin : group_rows;
      column_ = tile / group_rows_;
      if (column_ < columns_) break;
      tile -= columns_ * group_rows_;
      begin += group_rows_;
    }
    row_ = tile % group_rows_;
    step_columns_ = stride_ / group_rows_;
    step_rows_ = stride_ % group_rows_;
  }

  uint32_t rows_, columns_, stride_;
  uint32_t group_begin_ = 0, group_rows_ = 1, row_ = 0, column_ = 0, step_rows_ = 0, step_columns_ = 0;
};

// ---- a tile's accumulators --------------------------------------------------------------------------------------------------------------

// z = cap tanh(y / cap), for y that is not -inf: then z is -inf too.
__device__ __forceinline__ float capped(float y, float cap, float over_cap) { return cap * tanhf(y * over_cap); }

constexpr float kVanishing = -256;  // 2^-256 is flushed to 0. Used instead of -inf, whose product with that 0 would be NaN

// Stores the exponentials of one row of a tile, those of a thread. Two neighbouring lanes exchange halves, so that each stores four columns
// at once, and the four lanes of a row store whole sectors of 32 bytes. CAPPED: z may have a cap, whose slope dz/dy = 1 - (z / cap)^2 is a
// factor of E.
template <bool CAPPED>
class RowStore {
 public:
  // `maximum` is that of the tile, in base 2.
  __device__ __forceinline__ RowStore(const Problem& problem, int64_t row, int32_t vocabulary_tile, float maximum, float offset, int lane)
      : power_(exp2_flushed(maximum - offset)),
        over_cap_(CAPPED && problem.cap != 0 ? 1 / problem.cap : 0),
        is_zero_(offset == INFINITY),
        is_odd_(lane % 2 == 1) {
    const int32_t column = vocabulary_tile * kTileVocabulary + lane % 2 * 8 + lane % 4 / 2 * 4;
    to_ = problem.stored.exponentials + row * problem.stored.stride + column;
    last_ = row < problem.rows ? ((problem.vocabulary - 1) | 7) - column : -1;
  }

  // e, relative to the maximum, and z are the columns k, k + 1, k + 8 and k + 9 of the tile, k = 8 j + lane % 4 * 2.
  __device__ __forceinline__ void store(const float (&e)[4], const float (&z)[4], int j) const {
    const uint32_t low = pack_pair<__nv_bfloat16>(stored(e[0], z[0]), stored(e[1], z[1])),
                   high = pack_pair<__nv_bfloat16>(stored(e[2], z[2]), stored(e[3], z[3]));
    const uint32_t received = __shfl_xor_sync(kAllLanes, is_odd_ ? low : high, 1);
    uint2 four = is_odd_ ? make_uint2(received, high) : make_uint2(low, received);
    if (is_zero_) four = make_uint2(0, 0);
    if (8 * j <= last_) store_vector<Access::kOnce>(reinterpret_cast<uint2*>(to_ + 8 * j), four);
  }

 private:
  // Without a cap the slope is 1. The maximum turns -inf times 0 into a number; e is 0 there.
  __device__ __forceinline__ float stored(float e, float z) const {
    if constexpr (!CAPPED) return e * power_;
    const float t = fmaxf(z * over_cap_, -1.0f);
    return e * power_ * fmaf(-t, t, 1.0f);
  }

  __nv_bfloat16* to_;
  int32_t last_;  // column of the row, from `to_`: the vocabulary is rounded up to 8 columns
  float power_, over_cap_;
  bool is_zero_, is_odd_;
};

// What a kernel computes, besides log-probs. TRANSFORMED: logits have a bias or a cap. STORES: exponentials are stored.
template <bool TRANSFORMED_, bool STORES_, bool STATISTICS_>
struct Kind {
  static constexpr bool kTransformed = TRANSFORMED_, kStores = STORES_, kStatistics = STATISTICS_;
};

// The elements of a tile that a thread holds: d[4 j + 2 i + k] is row `row` + 8 i, column `column` + 8 j + k.
template <class K>
class Fragment {
 public:
  __device__ Fragment(const Problem& problem, int64_t row, int32_t vocabulary_tile, int lane)
      : row_(row), tile_(vocabulary_tile), column_(vocabulary_tile * kTileVocabulary + lane % 4 * 2), lane_(lane), writes_(lane % 4 == 0) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const bool is_row = row + 8 * i < problem.rows;
      const int32_t target = is_row ? problem.targets[row + 8 * i] : -1;
      target_[i] = target < 0 ? -1 : target;  // so that subtractions from it do not overflow
      if constexpr (K::kStores) offset_[i] = is_row ? problem.stored.offsets[row + 8 * i] : INFINITY;
    }
  }

  // Turns accumulators into logits.
  __device__ __forceinline__ void transform(float (&d)[kAccumulators], const Problem& problem) const {
    if (problem.bias != nullptr) add_bias(d, problem);
#pragma unroll
    for (float& z : d) z *= problem.scale;
    if (problem.cap == 0) return;
    const float over_cap = 1 / problem.cap;
#pragma unroll
    for (float& z : d) {
      if (z > -INFINITY) z = capped(z, problem.cap, over_cap);
    }
  }

  __device__ __forceinline__ void reduce(float (&d)[kAccumulators], const Problem& problem) const {
    if (tile_ == static_cast<int32_t>(problem.vocabulary_tiles) - 1) drop_columns_beyond(d, problem.vocabulary);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      float largest = -INFINITY;
#pragma unroll
      for (int j = 0; j < kTileVocabulary / 8; j++) largest = fmaxf(largest, fmaxf(d[4 * j + 2 * i], d[4 * j + 2 * i + 1]));
      largest = quad_max(largest);
      const float maximum = __fmul_rn(largest, problem.to_base_2);

      const int64_t row = row_ + 8 * i;
      TileStatistics statistics{};
      const float sum = quad_sum(exponentials(d, problem, i, maximum, statistics));
      if (writes_ && row < problem.rows) problem.partials[tile_ * problem.rows + row] = {maximum, sum};
      if constexpr (K::kStatistics) {
        statistics.rival = rival(d, i, largest);
        if (writes_ && row < problem.rows) problem.statistics[tile_ * problem.rows + row] = statistics;
      }
      store_target(d, problem, row, target_[i] - column_, i);
    }
  }

 private:
  // The sum of the thread's exponentials of row i, relative to the maximum.
  __device__ __forceinline__ float exponentials(const float (&d)[kAccumulators], const Problem& problem, int i, float maximum,
                                                TileStatistics& statistics) const {
    if constexpr (K::kStores) {
      const RowStore<K::kTransformed> row(problem, row_ + 8 * i, tile_, maximum, offset_[i], lane_);
      return exponentials(d, problem, i, maximum, statistics, [&](const float (&e)[4], const float (&x)[4], int j) { row.store(e, x, j); });
    } else {
      return exponentials(d, problem, i, maximum, statistics, [](const float (&)[4], const float (&)[4], int) {});
    }
  }

  // The same. Calls store(e, x, j) with the exponentials and logits of the thread's columns in 8 j to 8 j + 15.
  template <class Store>
  __device__ __forceinline__ float exponentials(const float (&d)[kAccumulators], const Problem& problem, int i, float maximum,
                                                TileStatistics& statistics, Store store) const {
    const float reference = finite_reference(maximum);
    float sums[4] = {};
    [[maybe_unused]] float weighted = 0, squares = 0, total = 0;
#pragma unroll
    for (int j = 0; j < kTileVocabulary / 8; j += 2) {
      float e[4], x[4];
#pragma unroll
      for (int n = 0; n < 4; n++) {
        x[n] = d[4 * (j + n / 2) + 2 * i + n % 2];
        const float exponent = fmaf(x[n], problem.to_base_2, -reference);
        e[n] = exp2_flushed(exponent);
        sums[n] += e[n];
        if constexpr (K::kStatistics) {
          weighted = fmaf(e[n], fmaxf(exponent, kVanishing), weighted);
          squares = fmaf(e[n], e[n], squares);
          total += x[n];
        }
      }
      store(e, x, j);
    }
    if constexpr (K::kStatistics) {
      float count = kTileVocabulary / 4;
      if (!(total > -INFINITY)) add_finite(d, i, total, count);
      statistics.weighted = quad_sum(weighted);
      statistics.squares = quad_sum(squares);
      statistics.total = quad_sum(total);
      statistics.count = quad_sum(count);
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
  }

  // Computes the total of row i again, without the columns that are -inf.
  __device__ __forceinline__ void add_finite(const float (&d)[kAccumulators], int i, float& total, float& count) const {
    total = count = 0;
#pragma unroll
    for (int n = 0; n < kTileVocabulary / 4; n++) {
      const float x = d[4 * (n / 2) + 2 * i + n % 2];
      if (x != -INFINITY) total += x, count++;
    }
  }

  // TileStatistics.rival of row i, whose max element is `largest`. Few tiles have a target of the warp's rows.
  __device__ __forceinline__ float rival(const float (&d)[kAccumulators], int i, float largest) const {
    const int32_t target = target_[i], first = tile_ * kTileVocabulary;
    const bool is_here = target >= first && target < first + kTileVocabulary;
    if (!__any_sync(kAllLanes, is_here)) return largest;
    float at_target = -INFINITY;
#pragma unroll
    for (int n = 0; n < kTileVocabulary / 4; n++) {
      if (column(n) == target) at_target = d[4 * (n / 2) + 2 * i + n % 2];
    }
    at_target = quad_max(at_target);
    float is_beaten = 0;
#pragma unroll
    for (int n = 0; n < kTileVocabulary / 4; n++) {
      const float x = d[4 * (n / 2) + 2 * i + n % 2];
      if (x > at_target || (x == at_target && column(n) < target)) is_beaten = 1;
    }
    is_beaten = quad_max(is_beaten);
    if (!is_here) return largest;
    return is_beaten == 0 ? -INFINITY : INFINITY;
  }

  // The column of the thread's element n of a row.
  __device__ __forceinline__ int32_t column(int n) const { return column_ + n / 2 * 8 + n % 2; }

  __device__ __forceinline__ void add_bias(float (&d)[kAccumulators], const Problem& problem) const {
#pragma unroll
    for (int n = 0; n < kAccumulators; n += 4) {
#pragma unroll
      for (int k = 0; k < 2; k++) {
        const int32_t column = column_ + 2 * n + k;
        const float bias = column < problem.vocabulary ? problem.bias[column] : 0.0f;
        d[n + k] += bias;
        d[n + 2 + k] += bias;
      }
    }
  }

  __device__ __forceinline__ void drop_columns_beyond(float (&d)[kAccumulators], int32_t vocabulary) const {
#pragma unroll
    for (int n = 0; n < kAccumulators; n++) {
      if (column_ + n / 4 * 8 + n % 2 >= vocabulary) d[n] = -INFINITY;
    }
  }

  // The thread that holds the accumulator of the target stores it; the others only compare column numbers. If a row is masked or its target
  // is beyond the vocabulary, either no thread stores it or merge() does not read it.
  __device__ __forceinline__ void store_target(const float (&d)[kAccumulators], const Problem& problem, int64_t row, int32_t offset,
                                               int i) const {
    if (offset < 0 || offset >= kTileVocabulary || offset % 8 >= 2) return;
#pragma unroll
    for (int j = 0; j < kTileVocabulary / 8; j++) {
#pragma unroll
      for (int k = 0; k < 2; k++) {
        if (offset == 8 * j + k) problem.at_target[row] = d[4 * j + 2 * i + k];
      }
    }
  }

  int64_t row_;
  int32_t tile_, column_, lane_;
  int32_t target_[2];
  float offset_[2];  // if kStores
  bool writes_;
};

// ---- a row ------------------------------------------------------------------------------------------------------------------------------

// M and the sum of any set of columns. The sum is fp64, which is cheap: a row has only one partial result per tile.
struct Sums {
  float maximum;
  double sum;

  __device__ void add(float other_maximum, double other_sum) {
    const float larger = fmaxf(maximum, other_maximum), reference = finite_reference(larger);
    sum = sum * exp2f(maximum - reference) + other_sum * exp2f(other_maximum - reference);
    maximum = larger;
  }
  __device__ void add(const Partial& partial) { add(partial.maximum, partial.sum); }
  __device__ void add(const Sums& other) { add(other.maximum, other.sum); }

  __device__ float lse(const Problem& problem) const { return static_cast<float>(maximum * problem.from_base_2 + log(sum)); }

  // logprob = z_target - lse. at_target * to_base_2 is exact in fp64; `maximum` was rounded once, in fp32.
  __device__ double logprob(const Problem& problem, float at_target) const {
    return (static_cast<double>(at_target) * problem.to_base_2 - maximum) * problem.from_base_2 - log(sum);
  }
};

// Merges the partial results of 32 rows, one row per lane. Warp w merges tiles w, w + kMergingWarps, ... Then the first warp merges the
// results of the warps, in order: its lanes get true if their row exists.
constexpr int kMergingWarps = 16;

__device__ __forceinline__ bool merge_tiles(const Problem& problem, int64_t* row, Sums* result) {
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  *row = int64_t{blockIdx.x} * kWarp + lane;
  Sums sums{-INFINITY, 0};
  if (*row < problem.rows) {
#pragma unroll 4
    for (uint32_t tile = warp; tile < problem.vocabulary_tiles; tile += kMergingWarps)
      sums.add(problem.partials[tile * problem.rows + *row]);
  }
  DPO4J_SHARED(Sums, warp_sums, [kMergingWarps][kWarp]);
  warp_sums[warp][lane] = sums;
  __syncthreads();
  if (warp > 0 || *row >= problem.rows) return false;
  for (int other = 1; other < kMergingWarps; other++) sums.add(warp_sums[other][lane]);
  *result = sums;
  return true;
}

inline bool is_transformed(const dpo4j_logit_transform& transform) { return transform.bias != nullptr || transform.cap != 0; }

inline size_t workspace_bytes(int64_t rows, int64_t vocabulary) {
  return rows * (divide_up(vocabulary, kTileVocabulary) * (sizeof(Partial) + sizeof(TileStatistics)) + sizeof(float));
}

inline Problem problem_of(const dpo4j_lm_head_forward_params& x, int cluster) {
  constexpr int64_t kStaying = 16 << 20;  // bytes of x, a third of L2; the rest is for w, which is read once per group of row tiles
  const int64_t rows_of_tile = int64_t{kTileRows} * cluster;
  Problem problem{};
  problem.vocabulary_tiles = static_cast<uint32_t>(divide_up(x.vocabulary, kTileVocabulary));
  problem.row_tiles = static_cast<uint32_t>(divide_up(x.rows, rows_of_tile));
  problem.partials = static_cast<Partial*>(x.workspace);
  problem.at_target = reinterpret_cast<float*>(problem.partials + problem.vocabulary_tiles * x.rows);
  if (x.statistics != nullptr) problem.statistics = reinterpret_cast<TileStatistics*>(problem.at_target + x.rows);
  problem.bias = x.transform.bias;
  problem.targets = x.targets;
  problem.rows = x.rows;
  problem.vocabulary = static_cast<int32_t>(x.vocabulary);
  problem.steps = static_cast<int32_t>(divide_up(x.hidden_width, kTileColumns));
  problem.together = static_cast<uint32_t>(std::max<int64_t>(1, kStaying / (rows_of_tile * x.hidden_width * 2)));
  problem.scale = x.transform.scale;
  problem.cap = x.transform.cap;
  const double unit = is_transformed(x.transform) ? 1 : x.transform.scale;
  problem.to_base_2 = static_cast<float>(unit * kLog2EDouble);
  problem.from_base_2 = unit / problem.to_base_2;
  problem.unit = unit;
  return problem;
}

}  // namespace dpo4j::cuda::lm_head_forward
