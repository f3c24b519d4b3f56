// attention, backward. p = exp(scale q k - lse) is recomputed:
//
//   delta = sum over d of d_out out        d_s = p (d_out v - delta)
//   d_q = scale d_s k                      d_k = scale d_s^T q                      d_v = p^T d_out
//
// With a soft cap, p is that of the scores s = cap tanh(scale q k / cap), and d_s is multiplied by the slope 1 - (s / cap)^2.
//
// Two launches. In the first, a block owns a tile of queries and computes d_q and delta, which it stores in the workspace. In the second, a
// block owns a tile of keys and computes d_k and d_v. It loops over the queries that see these keys, for all heads of the group: first the
// queries of the keys' own segment, then those of its dependents (the segments whose prefix it is). One block sums each row of a gradient
// in a fixed order: no atomics. Never materialised: scores, probabilities, their gradients, repeated key heads.
//
// Bytes moved: the tensors of a block's rows once, those of its columns once per tile of rows (from L2). Bound by arithmetic: 14 head_width
// FLOPs per visible pair of query and key (7 products of tiles), here on fp32 units. Share of the roofline: not yet measured on a GPU.
#include "attention_fma.cuh"

namespace dpo4j::cuda {
namespace {

using attention::Queries;
using attention::Tile;

// This thread's part of the dot product of a row of d_out (in shared memory) and the same row of out (in device memory).
template <class Tile>
__device__ __forceinline__ float dot_part(const float* d_out, const float* out, int head_width) {
  float dot = 0;
#pragma unroll
  for (int q = 0; q < Tile::kQuads; q++) {
    const int d = 4 * Tile::lane_x() + 32 * q;
    if (d >= head_width) break;
    const Vec<4> a = load<4>(d_out + d), b = load<4>(out + d);
    dot += a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
  }
  return dot;
}

// Computes delta and d_q of a tile of queries; loops over the keys that these queries see.
template <int D, bool LIMITED>
__global__ void __launch_bounds__(Tile<D, true>::kThreads, LIMITED ? Tile<D, true>::kLimitedBlocks : Tile<D, true>::kBlocks)
    d_queries(dpo4j_attention_backward_params x, int32_t row_tiles) {
  using Tile = Tile<D, true>;
  const attention::FmaQueryBlock<Tile, dpo4j_attention_backward_params, LIMITED> block(x, x.segments[blockIdx.x / row_tiles], row_tiles);
  if (block.empty()) return;
  DPO4J_DYNAMIC_SHARED(float, shared);
  float *const q_tile = shared, *const d_out_tile = q_tile + Tile::kRowFloats, *const k_tile = d_out_tile + Tile::kRowFloats;
  float *const v_tile = k_tile + Tile::kColumnFloats, *const weights = v_tile + Tile::kColumnFloats;
  block.read_rows(q_tile, x.q, x.shape.q_stride);
  block.read_rows(d_out_tile, x.d_out, x.shape.out_stride);
  __syncthreads();

  float lse[Tile::kRowsPerThread], delta[Tile::kRowsPerThread];
#pragma unroll
  for (int i = 0; i < Tile::kRowsPerThread; i++) {
    const int row = Tile::row(i);
    const int32_t r = block.row(row);
    const float* const out = static_cast<const float*>(x.out) + block.queries.vector(r, x.shape.out_stride, x.shape.head_width);
    const int64_t at = block.queries.scalar(r, x.shape.heads);
    lse[i] = x.lse[at] * kLog2E;
    delta[i] = attention::row_sum(dot_part<Tile>(d_out_tile + row * Tile::kStride, out, block.head_width));
    if (Tile::lane_x() == 0 && block.exists(row)) static_cast<float*>(x.workspace)[at] = delta[i];
  }

  typename Tile::Output d_q;
  Tile::clear(d_q);
  const attention::ScoreOf<LIMITED> score(x.shape);
  for (int32_t first_key = block.template first_tile<Tile::kColumns>(); first_key < block.key_end; first_key += Tile::kColumns) {
    __syncthreads();
    block.read_keys(k_tile, x.k, first_key);
    block.read_keys(v_tile, x.v, first_key);
    __syncthreads();
    typename Tile::Scores s, d_s;
    Tile::scores(s, q_tile, k_tile, block.head_width);
    Tile::scores(d_s, d_out_tile, v_tile, block.head_width);
#pragma unroll
    for (int i = 0; i < Tile::kRowsPerThread; i++) {
      const int32_t last_key = block.last_key(Tile::row(i)), first_seen = block.first_key(last_key);
#pragma unroll
      for (int c = 0; c < Tile::kColumnsPerThread; c++) {
        const int32_t key = first_key + Tile::column(c);
        const bool seen = key <= last_key && (!LIMITED || key >= first_seen);
        float slope = 1;
        d_s[i][c] = seen ? exp2f(score(s[i][c], slope) - lse[i]) * (d_s[i][c] - delta[i]) : 0.0f;
        if (LIMITED && seen) d_s[i][c] *= slope;
      }
    }
    Tile::write_weights(weights, d_s);
    __syncwarp();
    Tile::accumulate(d_q, weights, k_tile, block.partly_seen(first_key));
  }

#pragma unroll
  for (int i = 0; i < Tile::kRowsPerThread; i++) {
    if (!block.exists(Tile::row(i))) continue;
    const int64_t at = block.queries.vector(block.row(Tile::row(i)), x.shape.q_stride, x.shape.head_width);
    Tile::write(static_cast<float*>(x.d_q) + at, d_q[i], x.shape.scale, block.head_width);
  }
}

// The columns of d_keys: query rows [first_row, first_row + kColumns). A row that does not exist gets lse = infinity, so that its weights
// are 0.
template <class Tile>
struct QueryTile {
  float *q, *d_out, *lse, *delta;

  __device__ __forceinline__ void read(const dpo4j_attention_backward_params& x, const Queries& queries, int32_t first_row) const {
    const auto at = [&](const void* tensor, int column, int64_t stride) -> const float* {
      const int32_t r = first_row + column;
      return r < queries.count() ? static_cast<const float*>(tensor) + queries.vector(r, stride, x.shape.head_width) : nullptr;
    };
    const int head_width = static_cast<int>(x.shape.head_width);
    Tile::template read<Tile::kColumns>(q, head_width, [&](int column) { return at(x.q, column, x.shape.q_stride); });
    Tile::template read<Tile::kColumns>(d_out, head_width, [&](int column) { return at(x.d_out, column, x.shape.out_stride); });
    if (threadIdx.x >= Tile::kColumns) return;
    const int32_t r = first_row + static_cast<int32_t>(threadIdx.x);
    const bool exists = r < queries.count();
    const int64_t scalar = exists ? queries.scalar(r, x.shape.heads) : 0;
    lse[threadIdx.x] = exists ? x.lse[scalar] * kLog2E : INFINITY;
    delta[threadIdx.x] = exists ? static_cast<const float*>(x.workspace)[scalar] : 0.0f;
  }
};

// Computes d_k and d_v of a tile of keys; loops over the queries that see these keys. Rows are keys here, columns queries.
template <int D, bool LIMITED>
__global__ void __launch_bounds__(Tile<D, true>::kThreads, LIMITED ? Tile<D, true>::kLimitedBlocks : Tile<D, true>::kBlocks)
    d_keys(dpo4j_attention_backward_params x, int32_t row_tiles) {
  using Tile = Tile<D, true>;
  constexpr int kRowsPerThread = Tile::kRowsPerThread, kColumnsPerThread = Tile::kColumnsPerThread;
  const dpo4j_segment* const segment = x.segments + blockIdx.x / row_tiles;
  const int32_t key_begin = segment->key_begin, key_count = segment->query_count, dependents = segment->dependents;
  const int32_t first_key = static_cast<int32_t>(blockIdx.x % row_tiles) * Tile::kRows;
  if (first_key >= key_count) return;
  const int32_t group = static_cast<int32_t>(x.shape.heads / x.shape.kv_heads), head_width = static_cast<int32_t>(x.shape.head_width);

  DPO4J_DYNAMIC_SHARED(float, shared);
  float *const k_tile = shared, *const v_tile = k_tile + Tile::kRowFloats, *const q_tile = v_tile + Tile::kRowFloats;
  float *const d_out_tile = q_tile + Tile::kColumnFloats, *const weights = d_out_tile + Tile::kColumnFloats;
  float* const lse = weights + Tile::kWeightFloats;
  const QueryTile<Tile> columns{q_tile, d_out_tile, lse, lse + Tile::kColumns};
  const auto key_at = [&](int row) {
    return (key_begin + static_cast<int64_t>(first_key + row)) * x.shape.kv_stride + blockIdx.y * x.shape.head_width;
  };
  const auto own_row = [&](const void* tensor, int row) -> const float* {
    return first_key + row < key_count ? static_cast<const float*>(tensor) + key_at(row) : nullptr;
  };
  Tile::template read<Tile::kRows>(k_tile, head_width, [&](int row) { return own_row(x.k, row); });
  Tile::template read<Tile::kRows>(v_tile, head_width, [&](int row) { return own_row(x.v, row); });

  // The end of the rows whose query may see a key, which is key number `key` from the segment's first query on (or before it).
  const auto row_end_of = [&](const Queries& queries, int32_t key) {
    if (!LIMITED || x.shape.window == 0 || key >= queries.segment.query_count - x.shape.window) return queries.count();
    return (key + x.shape.window) * group;
  };
  typename Tile::Output d_k, d_v;
  Tile::clear(d_k);
  Tile::clear(d_v);
  const attention::ScoreOf<LIMITED> score(x.shape);
  for (int32_t dependent = 0; dependent <= dependents; dependent++) {
    const Queries queries{segment[dependent], group, static_cast<int32_t>(blockIdx.y) * group};
    // In the keys' own segment, queries before the first key do not see the tile. In a dependent, all queries see all keys. A window hides
    // the tile from the queries after row_end.
    const int32_t keys_before = dependent == 0 ? 0 : key_count;  // this segment's first query
    const int32_t row_end = row_end_of(queries, min(first_key + Tile::kRows, key_count) - 1 - keys_before);
    for (int32_t first_row = dependent == 0 ? first_key * group : 0; first_row < row_end; first_row += Tile::kColumns) {
      __syncthreads();
      columns.read(x, queries, first_row);
      __syncthreads();
      typename Tile::Scores p, d_s, slopes;
      Tile::scores(p, k_tile, columns.q, head_width);
#pragma unroll
      for (int c = 0; c < kColumnsPerThread; c++) {
        const int column = Tile::column(c);
        const int32_t last_key = dependent == 0 ? (first_row + column) / group : key_count;
        const int32_t first_seen = LIMITED ? attention::first_seen<LIMITED>(x.shape, (first_row + column) / group + keys_before) : 0;
#pragma unroll
        for (int i = 0; i < kRowsPerThread; i++) {
          const int32_t key = first_key + Tile::row(i);
          const bool seen = key <= last_key && (!LIMITED || key >= first_seen);
          p[i][c] = seen ? exp2f(score(p[i][c], slopes[i][c]) - columns.lse[column]) : 0.0f;
        }
      }
      // Whether some query of the tile does not see all of the tile of keys.
      bool partly_seen = dependent == 0 && first_row / group < first_key + Tile::kRows - 1;
      if (LIMITED) {
        const int32_t last_query = (first_row + Tile::kColumns - 1) / group + keys_before;
        partly_seen |= attention::first_seen<LIMITED>(x.shape, last_query) > first_key;
      }
      Tile::write_weights(weights, p);
      __syncwarp();
      Tile::accumulate(d_v, weights, columns.d_out, partly_seen);

      Tile::scores(d_s, v_tile, columns.d_out, head_width);
#pragma unroll
      for (int c = 0; c < kColumnsPerThread; c++) {
        const float delta = columns.delta[Tile::column(c)];
#pragma unroll
        for (int i = 0; i < kRowsPerThread; i++) {
          d_s[i][c] = p[i][c] == 0 ? 0.0f : p[i][c] * (d_s[i][c] - delta);
          if (LIMITED && p[i][c] != 0) d_s[i][c] *= slopes[i][c];
        }
      }
      __syncwarp();  // the warp has read the weights of d_v
      Tile::write_weights(weights, d_s);
      __syncwarp();
      Tile::accumulate(d_k, weights, columns.q, partly_seen);
    }
  }

#pragma unroll
  for (int i = 0; i < kRowsPerThread; i++) {
    if (first_key + Tile::row(i) >= key_count) continue;
    Tile::write(static_cast<float*>(x.d_k) + key_at(Tile::row(i)), d_k[i], x.shape.scale, head_width);
    Tile::write(static_cast<float*>(x.d_v) + key_at(Tile::row(i)), d_v[i], 1.0f, head_width);
  }
}

int backward_fma(const LaunchContext& context, const dpo4j_attention_backward_params& x) {
  return attention::with_width(x.shape.head_width, [&](auto width) {
    return attention::with_limits(x.shape, [&](auto limited) {
      constexpr int D = decltype(width)::value;
      constexpr bool kLimited = decltype(limited)::value;
      using Tile = Tile<D, true>;
      const int64_t query_tiles = divide_up(x.max_queries * (x.shape.heads / x.shape.kv_heads), Tile::kRows);
      const int64_t key_tiles = divide_up(x.max_queries, Tile::kRows);
      constexpr size_t kFloats = 2 * Tile::kRowFloats + 2 * Tile::kColumnFloats + Tile::kWeightFloats;
      const int error = launch(context, d_queries<D, kLimited>, dim3(query_tiles * x.segment_count, x.shape.kv_heads), dim3(Tile::kThreads),
                               kFloats * sizeof(float), x, static_cast<int32_t>(query_tiles));
      if (error != cudaSuccess) return error;
      return launch(context, d_keys<D, kLimited>, dim3(key_tiles * x.segment_count, x.shape.kv_heads), dim3(Tile::kThreads),
                    (kFloats + 2 * Tile::kColumns) * sizeof(float), x, static_cast<int32_t>(key_tiles));
    });
  });
}

}  // namespace

size_t attention_backward_workspace_bytes(const LaunchContext& context, int64_t query_rows, const dpo4j_attention_shape& shape) {
  const bool is_sm90a = shape.dtype == DPO4J_BF16 && attention::has_backward_sm90a(context, shape);
  return is_sm90a ? attention::backward_sm90a_workspace_bytes(context, query_rows, shape)
                  : query_rows * shape.heads * sizeof(float);  // delta
}

int run(const LaunchContext& context, const dpo4j_attention_backward_params& x) {
  if (x.shape.dtype != DPO4J_BF16) return backward_fma(context, x);
  return attention::has_backward_sm90a(context, x.shape) ? attention::backward_sm90a(context, x) : attention::backward_mma(context, x);
}

}  // namespace dpo4j::cuda
