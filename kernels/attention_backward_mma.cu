// attention, backward, bf16 on tensor cores. p = exp(scale q k - lse) is recomputed:
//
//   delta = sum over d of d_out out        d_s = p (d_out v - delta)
//   d_q = scale d_s k                      d_k = scale d_s^T q                      d_v = p^T d_out
//
// With a soft cap, p is that of the scores s = cap tanh(scale q k / cap), and d_s is multiplied by the slope 1 - (s / cap)^2.
//
// The two launches of attention_backward.cu on mma.sync m16n8k16 (sm_80 and later). Rows are queries in the first (delta and d_q) and keys
// in the second (d_k and d_v). The second computes transposed scores, because then the accumulators of p^T and d_s^T, rounded to bf16, are
// the A fragments of the next products. The next tile of columns is loaded while the current one is used. Tiles are narrower on GPUs with
// less shared memory per SM, so that two blocks fit (attention_mma.cuh); up to head width 128 they do on every GPU. One block sums each row
// of a gradient, in a fixed order and without atomics. Never materialised: scores, probabilities, their gradients, repeated key heads.
//
// Bytes moved: the tensors of a block's rows once, those of its columns once per block (from L2). Bound by arithmetic: 14 head_width FLOPs
// per visible pair of query and key (7 products). On Hopper, attention_backward_sm90a.cu computes head widths 64 and 128 with 5 products,
// because its blocks add to d_q one after another. Predicted: PERFORMANCE.md. Share of the roofline: not yet measured on a GPU.
#include "attention_mma.cuh"

namespace dpo4j::cuda {
namespace {

using attention::bf16;
using attention::kMmaThreads;
using attention::kMmaWarps;
using attention::Queries;

// ---- delta and d_q: rows are queries, columns keys ------------------------------------------------------------------------------------

// STAGES is how many tiles of keys are in shared memory. With one, the next tile is loaded after the last use of this one, while the SM's
// other block computes.
template <int D, int ROW_TILES, int COLUMNS, int STAGES = 2>
struct QueryTile : attention::MmaTile<D, ROW_TILES, COLUMNS> {
  static constexpr int kWidth = D, kStages = STAGES;
  static constexpr int kRows = kMmaWarps * QueryTile::kRowsPerWarp;
  static constexpr size_t kSharedBytes = (2 * kRows + 2 * STAGES * COLUMNS) * D * sizeof(bf16) + 2 * kRows * sizeof(float);
};

// At head width 256, one block fits in 100 KiB. Two would have half as many rows each, so an SM would not have more warps, and would load
// every key twice as often (PERFORMANCE.md).
template <int D>
struct QueryTiles {
  using List = attention::TileList<QueryTile<256, 1, 16>, QueryTile<256, 1, 16, 1>>;
};
template <>
struct QueryTiles<64> {
  using List = attention::TileList<QueryTile<64, 2, 64>, QueryTile<64, 2, 32>>;
};
template <>
struct QueryTiles<96> {
  using List = attention::TileList<QueryTile<96, 2, 32>, QueryTile<96, 1, 32>>;
};
template <>
struct QueryTiles<128> {
  using List = attention::TileList<QueryTile<128, 2, 32>, QueryTile<128, 2, 16>, QueryTile<128, 1, 16>>;
};
static_assert(attention::fits(QueryTile<64, 2, 32>::kSharedBytes, attention::kSmallSmBytes) &&
                  attention::fits(QueryTile<96, 1, 32>::kSharedBytes, attention::kSmallSmBytes) &&
                  attention::fits(QueryTile<128, 1, 16>::kSharedBytes, attention::kSmallSmBytes) &&
                  attention::fits(QueryTile<96, 2, 32>::kSharedBytes, attention::kMediumSmBytes) &&
                  attention::fits(QueryTile<128, 2, 16>::kSharedBytes, attention::kMediumSmBytes) &&
                  attention::fits(QueryTile<256, 1, 16, 1>::kSharedBytes, attention::kMediumSmBytes),
              "two blocks on the SMs for which there are narrower tiles");

// Computes delta of the warp's rows, writes it to the workspace, and writes lse (in base 2) and delta to `statistics`. A row that does not
// exist gets lse = infinity, so that its weights are 0. `statistics` holds lse and then delta of the block's rows in shared memory, because
// they do not fit in registers.
template <class Tile, class Block>
__device__ __forceinline__ void read_statistics(const dpo4j_attention_backward_params& x, const Block& block, const bf16* d_out_rows,
                                                float* statistics) {
#pragma unroll 1
  for (int i = attention::lane_group(); i < Tile::kRowsPerWarp; i += kWarp / 4) {
    const int row = block.warp_row + i;
    const int32_t r = block.row(row);
    const int64_t at = block.queries.scalar(r, x.shape.heads);
    const bf16* const out = static_cast<const bf16*>(x.out) + block.queries.vector(r, x.shape.out_stride, x.shape.head_width);
    float dot = 0;
    for (int d = 8 * attention::lane_member(); d < block.head_width; d += 32) {
      const Vec<8> a = load<8>(d_out_rows + Tile::Rows::at(row, d / 8)), b = load<8>(out + d);
#pragma unroll
      for (int k = 0; k < 8; k++) dot = fmaf(a[k], b[k], dot);
    }
    const float delta = quad_sum(dot);
    if (attention::lane_member() != 0) continue;
    statistics[row] = block.exists(row) ? x.lse[at] * kLog2E : INFINITY;
    statistics[Block::kRows + row] = delta;
    if (block.exists(row)) static_cast<float*>(x.workspace)[at] = delta;
  }
  __syncwarp();
}

// d_s of a pair whose score is a product with a soft cap.
__device__ __forceinline__ float capped_d_score(float product, const attention::SoftCap& soft, float lse, float d_p, float delta) {
  const float t = tanh_flushed(product * soft.over_cap);
  return exp2_flushed(fmaf(t, soft.cap, -lse)) * (d_p - delta) * (1 - t * t);
}

// Turns scores into d_s. If the row does not see the key, d_s is set to 0 by selection.
template <class Tile, bool LIMITED, class Block>
__device__ __forceinline__ void to_d_scores(typename Tile::Scores& s, const typename Tile::Scores& d_p, const Block& block,
                                            int32_t first_key, float factor, const float* statistics) {
  const bool all = block.sees_all(first_key), is_capped = LIMITED && block.x.shape.soft_cap > 0;
  const attention::SoftCap soft(block.x.shape);
#pragma unroll
  for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = block.warp_row + Tile::row(m, half);
      const float lse = statistics[row], delta = statistics[Block::kRows + row];
#pragma unroll
      for (int n = 0; n < Tile::kColumns / 8; n++) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; i++) {
          if (is_capped) {
            s[m][n][i] = capped_d_score(s[m][n][i], soft, lse, d_p[m][n][i], delta);
          } else {
            const float p = exp2_flushed(fmaf(s[m][n][i], factor, -lse));
            s[m][n][i] = p * (d_p[m][n][i] - delta);
          }
        }
      }
    }
  }
  if (!all) block.hide(s, first_key, 0);
}

template <class Tile, bool LIMITED>
__global__ void __launch_bounds__(kMmaThreads, attention::kMmaBlocks) d_queries(dpo4j_attention_backward_params x, int32_t row_tiles) {
  constexpr int D = Tile::kWidth, kStages = Tile::kStages, kTileElements = Tile::kColumns * D;
  const attention::MmaQueryBlock<Tile, dpo4j_attention_backward_params, LIMITED> block(x, row_tiles);
  if (block.empty()) return;
  DPO4J_DYNAMIC_SHARED(bf16, shared);
  bf16 *const q_rows = shared, *const d_out_rows = q_rows + block.kRows * D, *const tiles = d_out_rows + block.kRows * D;
  float* const statistics = reinterpret_cast<float*>(tiles + 2 * kStages * kTileElements);
  const auto copy_keys = [&](int stage, int32_t first_key) {
    block.copy_keys(tiles + stage * 2 * kTileElements, x.k, first_key);
    block.copy_keys(tiles + stage * 2 * kTileElements + kTileElements, x.v, first_key);
    cp_async_commit();
  };
  block.copy_rows(q_rows, x.q, x.shape.q_stride);
  block.copy_rows(d_out_rows, x.d_out, x.shape.out_stride);
  cp_async_commit();
  const int32_t first_tile = block.template first_tile<Tile::kColumns>();
  copy_keys(0, first_tile);
  cp_async_wait<1>();
  __syncthreads();
  read_statistics<Tile>(x, block, d_out_rows, statistics);

  typename Tile::Output d_q;
  Tile::clear(d_q);
  const float factor = x.shape.scale * kLog2E;
  int stage = 0;
  for (int32_t first_key = first_tile; first_key < block.key_end; first_key += Tile::kColumns, stage ^= kStages - 1) {
    bf16 *const k_tile = tiles + stage * 2 * kTileElements, *const v_tile = k_tile + kTileElements;
    cp_async_wait<0>();
    __syncthreads();  // this stage has arrived, and the other has been used
    const bool has_next = first_key + Tile::kColumns < block.key_end;
    if (kStages == 2 && has_next) copy_keys(stage ^ 1, first_key + Tile::kColumns);
    const bool sees = block.sees(first_key);
    typename Tile::Scores s, d_p;
    if (sees) {
      Tile::scores(s, q_rows, block.warp_row, k_tile);
      Tile::scores(d_p, d_out_rows, block.warp_row, v_tile);
    }
    const bool hidden = !block.block_sees_all(first_key) && Tile::Rows::template hide_not_finite<Tile::kColumns>(k_tile);
    if (sees) {
      to_d_scores<Tile, LIMITED>(s, d_p, block, first_key, factor, statistics);
      typename Tile::Weights weights;
      Tile::to_weights(weights, s);
      Tile::accumulate(d_q, weights, k_tile);
      if (hidden) block.restore_keys(d_q, x.k, first_key);
    }
    if (kStages == 1 && has_next) {
      __syncthreads();  // all warps have used the tile
      copy_keys(0, first_key + Tile::kColumns);
    }
  }
  typename Tile::RowFloats scale;
  Tile::fill(scale, x.shape.scale);
  // Computed again, because the block's fields do not fit in registers during the loop.
  const attention::MmaQueryBlock<Tile, dpo4j_attention_backward_params, LIMITED> again(x, row_tiles);
  again.write(x.d_q, x.shape.q_stride, d_q, scale, q_rows);
}

// ---- d_k and d_v: rows are keys, columns queries --------------------------------------------------------------------------------------

// How many warps share the same keys. Each of them computes all scores of these keys and accumulates its own part of the head width,
// because beyond head width 128, 16 rows of d_k and d_v do not fit in the registers of one warp.
template <int D>
constexpr int kWarpsOfRows = D <= 128 ? 1 : 2;

template <int D, int COLUMNS, int STAGES = 2>
struct KeyTile : attention::MmaTile<D, (D <= 64 ? 2 : 1), COLUMNS, D / kWarpsOfRows<D>> {
  static constexpr int kWidth = D, kStages = STAGES;
  static constexpr int kRows = kMmaWarps / kWarpsOfRows<D> * KeyTile::kRowsPerWarp;
  static constexpr size_t kSharedBytes = (2 * kRows + 2 * STAGES * COLUMNS) * D * sizeof(bf16) + 2 * STAGES * COLUMNS * sizeof(float);
};

template <int D>
struct KeyTiles {
  using List = attention::TileList<KeyTile<256, 32>, KeyTile<256, 16>, KeyTile<256, 16, 1>>;
};
template <>
struct KeyTiles<128> {
  using List = attention::TileList<KeyTile<128, 32>, KeyTile<128, 16>>;
};
template <>
struct KeyTiles<64> {
  using List = attention::TileList<KeyTile<64, 32>>;
};
template <>
struct KeyTiles<96> {
  using List = attention::TileList<KeyTile<96, 32>>;
};
static_assert(attention::fits(KeyTile<64, 32>::kSharedBytes, attention::kSmallSmBytes) &&
                  attention::fits(KeyTile<96, 32>::kSharedBytes, attention::kSmallSmBytes) &&
                  attention::fits(KeyTile<128, 16>::kSharedBytes, attention::kSmallSmBytes) &&
                  attention::fits(KeyTile<256, 16, 1>::kSharedBytes, attention::kSmallSmBytes) &&
                  attention::fits(KeyTile<256, 16>::kSharedBytes, attention::kMediumSmBytes),
              "two blocks on the SMs for which there are narrower tiles");

// Iterates over the queries that see a tile of keys, COLUMNS at a time: the queries of the keys' own segment from the first key on, then
// all queries of its dependents. With a window, a segment ends for the iterator after the last query that sees the last key of the tile.
template <int COLUMNS, bool LIMITED>
struct QueryTileIterator {
  const dpo4j_segment* segment;
  int32_t dependents, dependent, first_row;
  Queries queries;
  int32_t window, last_key;

  __device__ __forceinline__ QueryTileIterator(const dpo4j_segment* segment, int32_t group, int32_t first_key, int32_t last_key,
                                               int32_t window)
      : segment(segment),
        dependent(0),
        first_row(first_key * group),
        queries{attention::read_segment(segment), group, static_cast<int32_t>(blockIdx.y) * group},
        window(window),
        last_key(last_key) {
    dependents = queries.segment.dependents;
  }

  __device__ __forceinline__ int32_t row_end() const {
    const int32_t key = dependent == 0 ? last_key : last_key - queries.segment.prefix_count;  // number from the first query on
    if (!LIMITED || window == 0 || key >= queries.segment.query_count - window) return queries.count();
    return (key + window) * queries.group;
  }

  __device__ __forceinline__ bool is_valid() const { return dependent <= dependents; }
  __device__ __forceinline__ void advance() {
    first_row += COLUMNS;
    while (is_valid() && first_row >= row_end()) {
      first_row = 0;
      if (++dependent <= dependents) queries.segment = attention::read_segment(segment + dependent);
    }
  }
};

// Which queries a tile of columns holds. Needed after the iterator has advanced.
struct Columns {
  bool is_own;  // of the keys' own segment: a query sees the keys up to its own position; queries of a dependent see all
  int32_t first_row;
  int32_t dependent;  // the segment, counted from the keys' own
};

template <class T, bool LIMITED>
struct KeyBlock {
  using Tile = T;
  using Rows = typename Tile::Rows;
  static constexpr int D = Tile::kWidth, kTileElements = Tile::kColumns * D;

  const dpo4j_attention_backward_params& x;
  int32_t group, head_width, key_begin, key_count, first_key;
  int warp_row, first_d;  // the warp's first row within the block, and its part of the width

  __device__ __forceinline__ KeyBlock(const dpo4j_attention_backward_params& x, const dpo4j_segment& segment, int32_t row_tiles) : x(x) {
    group = static_cast<int32_t>(x.shape.heads / x.shape.kv_heads);
    head_width = static_cast<int32_t>(x.shape.head_width);
    key_begin = segment.key_begin;
    key_count = segment.query_count;
    first_key = static_cast<int32_t>(blockIdx.x % row_tiles) * Tile::kRows;
    warp_row = attention::warp_index() / kWarpsOfRows<D> * Tile::kRowsPerWarp;
    first_d = attention::warp_index() % kWarpsOfRows<D> * Tile::kDepth;
  }

  __device__ __forceinline__ int64_t key_offset(int row) const {
    if (first_key + row >= key_count) return -1;
    return (key_begin + static_cast<int64_t>(first_key + row)) * x.shape.kv_stride + static_cast<int64_t>(blockIdx.y) * head_width;
  }
  __device__ __forceinline__ void copy_keys(bf16* rows, const void* tensor) const {
    Rows::template copy<Tile::kRows>(rows, tensor, head_width, [&](int row) { return key_offset(row); });
  }

  __device__ __forceinline__ int64_t query_offset(const Queries& queries, int32_t r, int64_t stride) const {
    return r < queries.count() ? queries.vector(r, stride, head_width) : -1;
  }
  // Loads q, d_out, lse (base 2) and delta of the columns. A column that does not exist gets lse = infinity, so that its weights are 0.
  __device__ __forceinline__ void copy_queries(bf16* q_tile, float* lse, const QueryTileIterator<Tile::kColumns, LIMITED>& it) const {
    Rows::template copy<Tile::kColumns>(q_tile, x.q, head_width,
                                        [&](int column) { return query_offset(it.queries, it.first_row + column, x.shape.q_stride); });
    Rows::template copy<Tile::kColumns>(q_tile + kTileElements, x.d_out, head_width,
                                        [&](int column) { return query_offset(it.queries, it.first_row + column, x.shape.out_stride); });
    cp_async_commit();
    if (threadIdx.x >= Tile::kColumns) return;
    const int32_t r = it.first_row + static_cast<int32_t>(threadIdx.x);
    const bool exists = r < it.queries.count();
    const int64_t at = exists ? it.queries.scalar(r, x.shape.heads) : 0;
    lse[threadIdx.x] = exists ? x.lse[at] * kLog2E : INFINITY;
    lse[Tile::kColumns + threadIdx.x] = exists ? static_cast<const float*>(x.workspace)[at] : 0.0f;
  }

  // Whether the window of a column's query begins after the block's key number `row`.
  __device__ __forceinline__ bool is_before_window(Columns columns, int row, int column) const {
    if (!LIMITED) return false;
    const int32_t before = columns.is_own ? 0 : key_count;  // keys before the segment's first query
    return attention::first_seen<LIMITED>(x.shape, (columns.first_row + column) / group + before) > first_key + row;
  }

  // Whether some query sees some key of the warp; whether all queries see all keys of the warp; whether all queries see all keys of the
  // block; whether one query sees one key.
  __device__ __forceinline__ bool seen(Columns columns) const {
    return first_key + warp_row < key_count && (!columns.is_own || (first_key + warp_row) * group < columns.first_row + Tile::kColumns) &&
           !is_before_window(columns, warp_row + Tile::kRowsPerWarp - 1, 0);
  }
  __device__ __forceinline__ bool seen_by_all(Columns columns) const {
    return (!columns.is_own || (first_key + warp_row + Tile::kRowsPerWarp - 1) * group <= columns.first_row) &&
           !is_before_window(columns, warp_row, Tile::kColumns - 1);
  }
  __device__ __forceinline__ bool block_seen_by_all(Columns columns) const {
    return (!columns.is_own || (first_key + Tile::kRows - 1) * group <= columns.first_row) &&
           !is_before_window(columns, 0, Tile::kColumns - 1);
  }
  __device__ __forceinline__ bool seen(Columns columns, int row, int column) const {
    return (!columns.is_own || (first_key + warp_row + row) * group <= columns.first_row + column) &&
           !is_before_window(columns, warp_row + row, column);
  }

  // Undoes hide_not_finite().
  __device__ __forceinline__ void restore_queries(typename Tile::Output& o, const void* tensor, int64_t stride,
                                                  const dpo4j_segment& segment, Columns columns) const {
    const Queries queries{segment, group, static_cast<int32_t>(blockIdx.y) * group};
    Tile::restore(
        o, tensor, head_width, [&](int column) { return query_offset(queries, columns.first_row + column, stride); },
        [&](int row, int column) { return seen(columns, row, column); }, first_d);
  }

  // Turns transposed scores into p^T. If the query does not see the key, p is set to 0 by selection.
  __device__ __forceinline__ void to_probabilities(typename Tile::Scores& s, Columns columns, const float* lse, float factor) const {
#pragma unroll
    for (int n = 0; n < Tile::kColumns / 8; n++) {
      const float2 column_lse = *reinterpret_cast<const float2*>(lse + Tile::column(n, 0));
#pragma unroll
      for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
        for (int i = 0; i < 4; i++) s[m][n][i] = exp2_flushed(fmaf(s[m][n][i], factor, i % 2 ? -column_lse.y : -column_lse.x));
      }
    }
    if (!seen_by_all(columns)) select_seen(s, columns);
  }

  // Turns d_p^T into d_s^T. If the query does not see the key, d_s is set to 0 by selection.
  __device__ __forceinline__ void to_d_scores(typename Tile::Scores& d_p, const typename Tile::Scores& p, Columns columns,
                                              const float* delta) const {
#pragma unroll
    for (int n = 0; n < Tile::kColumns / 8; n++) {
      const float2 column_delta = *reinterpret_cast<const float2*>(delta + Tile::column(n, 0));
#pragma unroll
      for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
        for (int i = 0; i < 4; i++) d_p[m][n][i] = p[m][n][i] * (d_p[m][n][i] - (i % 2 ? column_delta.y : column_delta.x));
      }
    }
    if (!seen_by_all(columns)) select_seen(d_p, columns);
  }

  // Both of the above with a soft cap. The slope, which only d_s needs, is then not kept.
  __device__ __forceinline__ void to_capped(typename Tile::Scores& s, typename Tile::Scores& d_p, Columns columns, const float* lse,
                                            const float* delta) const {
    const attention::SoftCap soft(x.shape);
#pragma unroll
    for (int n = 0; n < Tile::kColumns / 8; n++) {
      const float2 column_lse = *reinterpret_cast<const float2*>(lse + Tile::column(n, 0));
      const float2 column_delta = *reinterpret_cast<const float2*>(delta + Tile::column(n, 0));
#pragma unroll
      for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const float t = tanh_flushed(s[m][n][i] * soft.over_cap);
          s[m][n][i] = exp2_flushed(fmaf(t, soft.cap, i % 2 ? -column_lse.y : -column_lse.x));
          d_p[m][n][i] = s[m][n][i] * (d_p[m][n][i] - (i % 2 ? column_delta.y : column_delta.x)) * (1 - t * t);
        }
      }
    }
    if (seen_by_all(columns)) return;
    select_seen(s, columns);
    select_seen(d_p, columns);
  }

  __device__ __forceinline__ void select_seen(typename Tile::Scores& s, Columns columns) const {
#pragma unroll
    for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
      for (int n = 0; n < Tile::kColumns / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          if (!seen(columns, Tile::row(m, i / 2), Tile::column(n, i % 2))) s[m][n][i] = 0;
        }
      }
    }
  }
};

template <class Tile, bool LIMITED>
__global__ void __launch_bounds__(kMmaThreads, attention::kMmaBlocks) d_keys(dpo4j_attention_backward_params x, int32_t row_tiles) {
  constexpr int D = Tile::kWidth, kStages = Tile::kStages;
  using Block = KeyBlock<Tile, LIMITED>;
  using Iterator = QueryTileIterator<Tile::kColumns, LIMITED>;
  const dpo4j_segment* const segment = x.segments + blockIdx.x / row_tiles;
  const Block block(x, attention::read_segment(segment), row_tiles);
  if (block.first_key >= block.key_count) return;
  DPO4J_DYNAMIC_SHARED(bf16, shared);
  bf16 *const k_rows = shared, *const v_rows = k_rows + Tile::kRows * D, *const tiles = v_rows + Tile::kRows * D;
  float* const statistics = reinterpret_cast<float*>(tiles + 2 * kStages * Block::kTileElements);
  const auto copy_queries = [&](int stage, const Iterator& it) {
    block.copy_queries(tiles + stage * 2 * Block::kTileElements, statistics + stage * 2 * Tile::kColumns, it);
  };
  Iterator it(segment, block.group, block.first_key, min(block.first_key + Tile::kRows, block.key_count) - 1, x.shape.window);
  block.copy_keys(k_rows, x.k);
  block.copy_keys(v_rows, x.v);
  copy_queries(0, it);

  typename Tile::Output d_k, d_v;
  Tile::clear(d_k);
  Tile::clear(d_v);
  const float factor = x.shape.scale * kLog2E;
  for (int stage = 0; it.is_valid(); stage ^= kStages - 1) {
    bf16 *const q_tile = tiles + stage * 2 * Block::kTileElements, *const d_out_tile = q_tile + Block::kTileElements;
    const float* const lse = statistics + stage * 2 * Tile::kColumns;
    const Columns columns{it.dependent == 0, it.first_row, it.dependent};
    it.advance();
    cp_async_wait<0>();
    __syncthreads();  // this stage has arrived, and the other has been used
    if (kStages == 2 && it.is_valid()) copy_queries(stage ^ 1, it);
    const bool seen = block.seen(columns);
    typename Tile::Scores p, d_s;
    if (seen) {
      Tile::scores(p, k_rows, block.warp_row, q_tile);
      Tile::scores(d_s, v_rows, block.warp_row, d_out_tile);
    }
    bool q_hidden = false, d_out_hidden = false;
    if (!block.block_seen_by_all(columns)) {
      q_hidden = Tile::Rows::template hide_not_finite<Tile::kColumns>(q_tile);
      d_out_hidden = Tile::Rows::template hide_not_finite<Tile::kColumns>(d_out_tile);
    }
    if (seen) {
      if (LIMITED && x.shape.soft_cap > 0) {
        block.to_capped(p, d_s, columns, lse, lse + Tile::kColumns);
      } else {
        block.to_probabilities(p, columns, lse, factor);
        block.to_d_scores(d_s, p, columns, lse + Tile::kColumns);
      }
      typename Tile::Weights weights;
      Tile::to_weights(weights, p);
      Tile::accumulate(d_v, weights, d_out_tile, block.first_d);
      Tile::to_weights(weights, d_s);
      Tile::accumulate(d_k, weights, q_tile, block.first_d);
      // Without a window, only tiles of the keys' own segment have anything to restore.
      const dpo4j_segment* const reader = segment + (LIMITED ? columns.dependent : 0);
      if (q_hidden) block.restore_queries(d_k, x.q, x.shape.q_stride, attention::read_segment(reader), columns);
      if (d_out_hidden) block.restore_queries(d_v, x.d_out, x.shape.out_stride, attention::read_segment(reader), columns);
    }
    if (kStages == 1 && it.is_valid()) {
      __syncthreads();  // all warps have used the tile
      copy_queries(0, it);
    }
  }
  __syncthreads();  // all warps have read the shared rows
  typename Tile::RowFloats one, scale;
  Tile::fill(one, 1);
  Tile::fill(scale, x.shape.scale);
  const Block again(x, attention::read_segment(segment), row_tiles);  // computed again: its fields do not fit in registers during the loop
  const auto own = [&](int row) { return again.key_offset(again.warp_row + row); };
  Tile::write(x.d_k, again.head_width, d_k, scale, k_rows, again.warp_row, again.first_d, own);
  Tile::write(x.d_v, again.head_width, d_v, one, v_rows, again.warp_row, again.first_d, own);
}

}  // namespace

int attention::backward_mma(const LaunchContext& context, const dpo4j_attention_backward_params& x) {
  const auto start = [&](auto tile, auto kernel, int64_t rows) {
    const int64_t row_tiles = divide_up(rows, tile.kRows);
    return launch(context, kernel, dim3(row_tiles * x.segment_count, x.shape.kv_heads), dim3(kMmaThreads), tile.kSharedBytes, x,
                  static_cast<int32_t>(row_tiles));
  };
  const auto run = [&](auto width, auto limited) {
    constexpr int D = decltype(width)::value;
    constexpr bool kLimited = decltype(limited)::value;
    const int error = with_fitting(context, typename QueryTiles<D>::List{}, [&](auto tile) {
      using Tile = decltype(tile);
      return start(tile, d_queries<Tile, kLimited>, x.max_queries * (x.shape.heads / x.shape.kv_heads));
    });
    if (error != cudaSuccess) return error;
    return with_fitting(context, typename KeyTiles<D>::List{}, [&](auto tile) {
      using Tile = decltype(tile);
      return start(tile, d_keys<Tile, kLimited>, x.max_queries);
    });
  };
  return with_mma_width(x.shape.head_width,
                        [&](auto width) { return with_limits(x.shape, [&](auto limited) { return run(width, limited); }); });
}

}  // namespace dpo4j::cuda
