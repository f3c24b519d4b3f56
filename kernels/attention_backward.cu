// attention, backward, from p = exp(scale q k - lse) computed again:
//
//   delta = sum over d of d_out out        d_s = p (d_out v - delta)
//   d_q = scale d_s k                      d_k = scale d_s^T q                      d_v = p^T d_out
//
// Two launches. The first gives a block a tile of queries: delta (to the workspace) and d_q. The second gives a block a tile of keys, which
// walks over the queries that see them: its own segment's, then those of the dependent segments, all heads of the group. Every row has one
// owner who adds in a fixed order: no atomics. Never materialised: scores, probabilities, their gradients, repeated key heads.
//
// Bytes moved: the tensors of a block's rows once, those it walks over once for every tile (from L2). Bound by arithmetic: 14 head_width FLOPs
// a visible pair of query and key (7 products of tiles), here on fp32 units. Share of the roofline: not yet measured on a GPU.
#include "attention.cuh"

namespace dpo4j::cuda {
namespace {

using attention::Keys;
using attention::Tile;

// Rows of one group of heads in one segment: where row r of q, d_out, lse and the like begins.
struct Queries {
  dpo4j_segment segment;
  int32_t group, first_head;
  __device__ __forceinline__ int64_t query(int32_t r) const { return segment.query_begin + static_cast<int64_t>(r / group); }
  __device__ __forceinline__ int64_t head(int32_t r) const { return first_head + r % group; }
  __device__ __forceinline__ int64_t at(int32_t r, int64_t stride, int64_t head_width) const { return query(r) * stride + head(r) * head_width; }
  __device__ __forceinline__ int32_t count() const { return segment.query_count * group; }
};

template <class T, int D>
__global__ void __launch_bounds__(128) queries(AttentionBackward x, int32_t row_tiles) {
  using Tile = Tile<D, true>;
  constexpr int kRowsPerThread = Tile::kRowsPerThread, kColumnsPerThread = Tile::kColumnsPerThread;
  const Keys keys{x.segments[blockIdx.x / row_tiles]};
  const int32_t group = static_cast<int32_t>(x.heads / x.kv_heads), head_width = static_cast<int32_t>(x.head_width);
  const Queries own{keys.segment, group, static_cast<int32_t>(blockIdx.y) * group};
  // The last tile sees the most keys and starts first.
  const int32_t first_row = (row_tiles - 1 - static_cast<int32_t>(blockIdx.x % row_tiles)) * Tile::kRows;
  if (first_row >= own.count()) return;
  const int32_t last_row = first_row + Tile::kRows < own.count() ? first_row + Tile::kRows - 1 : own.count() - 1;
  const int32_t key_count = keys.last_seen_by(last_row / group) + 1;
  const int64_t kv_column = blockIdx.y * x.head_width;

  DPO4J_DYNAMIC_SHARED(float, shared);
  float *const q_tile = shared, *const d_out_tile = q_tile + Tile::kRowFloats, *const k_tile = d_out_tile + Tile::kRowFloats;
  float *const v_tile = k_tile + Tile::kColumnFloats, *const weights = v_tile + Tile::kColumnFloats;
  const auto own_row = [&](const void* tensor, int row, int64_t stride) -> const T* {
    const int32_t r = first_row + row;
    return r <= last_row ? static_cast<const T*>(tensor) + own.at(r, stride, x.head_width) : nullptr;
  };
  Tile::template read<Tile::kRows>(q_tile, head_width, [&](int row) { return own_row(x.q, row, x.q_stride); });
  Tile::template read<Tile::kRows>(d_out_tile, head_width, [&](int row) { return own_row(x.d_out, row, x.out_stride); });
  __syncthreads();

  float lse[kRowsPerThread], delta[kRowsPerThread];
  int32_t last_key[kRowsPerThread];
#pragma unroll
  for (int i = 0; i < kRowsPerThread; i++) {
    const int row = Tile::row(i);
    const int32_t r = first_row + row < last_row ? first_row + row : last_row;
    const T* const out = own_row(x.out, r - first_row, x.out_stride);
    float dot = 0;
#pragma unroll
    for (int d = 4 * Tile::lane_x(); d < D; d += 32) {
      if (d >= head_width) break;
      const Values<4> a = load<4>(d_out_tile + (r - first_row) * Tile::kStride + d), b = load<4>(out + d);
      dot += a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
    }
    delta[i] = attention::row_sum(dot);
    const int64_t at = own.query(r) * x.heads + own.head(r);
    lse[i] = x.lse[at] * attention::kLog2E;
    last_key[i] = keys.last_seen_by(r / group);
    if (Tile::lane_x() == 0 && first_row + row <= last_row) static_cast<float*>(x.workspace)[at] = delta[i];
  }

  typename Tile::Output d_q;
  Tile::clear(d_q);
  const float factor = x.scale * attention::kLog2E;
  for (int32_t first_key = 0; first_key < key_count; first_key += Tile::kColumns) {
    __syncthreads();
    const auto key_row = [&](const void* tensor, int column) -> const T* {
      const int32_t key = first_key + column;
      return key < key_count ? static_cast<const T*>(tensor) + keys.row(key) * x.kv_stride + kv_column : nullptr;
    };
    Tile::template read<Tile::kColumns>(k_tile, head_width, [&](int column) { return key_row(x.k, column); });
    Tile::template read<Tile::kColumns>(v_tile, head_width, [&](int column) { return key_row(x.v, column); });
    __syncthreads();

    typename Tile::Scores s, d_s;
    Tile::scores(s, q_tile, k_tile, head_width);
    Tile::scores(d_s, d_out_tile, v_tile, head_width);
#pragma unroll
    for (int i = 0; i < kRowsPerThread; i++) {
#pragma unroll
      for (int c = 0; c < kColumnsPerThread; c++) {
        const bool seen = first_key + Tile::column(c) <= last_key[i];
        s[i][c] = seen ? exp2f(s[i][c] * factor - lse[i]) * (d_s[i][c] - delta[i]) : 0.0f;
      }
    }
    Tile::write_weights(weights, s);
    __syncwarp();
    Tile::accumulate(d_q, weights, k_tile);
  }

#pragma unroll
  for (int i = 0; i < kRowsPerThread; i++) {
    const int32_t r = first_row + Tile::row(i);
    if (r > last_row) continue;
    Tile::write(static_cast<T*>(x.d_q) + own.at(r, x.q_stride, x.head_width), d_q[i], x.scale, head_width);
  }
}

template <class T, int D>
__global__ void __launch_bounds__(128) keys(AttentionBackward x, int32_t row_tiles) {
  using Tile = Tile<D, true>;
  constexpr int kRowsPerThread = Tile::kRowsPerThread, kColumnsPerThread = Tile::kColumnsPerThread;
  const dpo4j_segment* const segment = x.segments + blockIdx.x / row_tiles;
  const dpo4j_segment own = *segment;
  const int32_t first_key = static_cast<int32_t>(blockIdx.x % row_tiles) * Tile::kRows;
  if (first_key >= own.query_count) return;
  const int32_t group = static_cast<int32_t>(x.heads / x.kv_heads), head_width = static_cast<int32_t>(x.head_width);
  const int64_t kv_column = blockIdx.y * x.head_width;

  DPO4J_DYNAMIC_SHARED(float, shared);
  float *const k_tile = shared, *const v_tile = k_tile + Tile::kRowFloats, *const q_tile = v_tile + Tile::kRowFloats;
  float *const d_out_tile = q_tile + Tile::kColumnFloats, *const weights = d_out_tile + Tile::kColumnFloats;
  float *const lse_tile = weights + Tile::kWeightFloats, *const delta_tile = lse_tile + Tile::kColumns;
  const auto key_at = [&](int row) { return (own.key_begin + static_cast<int64_t>(first_key + row)) * x.kv_stride + kv_column; };
  const auto own_row = [&](const void* tensor, int row) -> const T* {
    return first_key + row < own.query_count ? static_cast<const T*>(tensor) + key_at(row) : nullptr;
  };
  Tile::template read<Tile::kRows>(k_tile, head_width, [&](int row) { return own_row(x.k, row); });
  Tile::template read<Tile::kRows>(v_tile, head_width, [&](int row) { return own_row(x.v, row); });

  typename Tile::Output d_k, d_v;
  Tile::clear(d_k);
  Tile::clear(d_v);
  const float factor = x.scale * attention::kLog2E;
  for (int32_t dependent = 0; dependent <= own.dependents; dependent++) {
    const Queries walk{segment[dependent], group, static_cast<int32_t>(blockIdx.y) * group};
    // Own queries before the first key do not see it; a dependent's all see every key.
    for (int32_t first_row = dependent == 0 ? first_key * group : 0; first_row < walk.count(); first_row += Tile::kColumns) {
      __syncthreads();
      const auto query_row = [&](const void* tensor, int column, int64_t stride) -> const T* {
        const int32_t r = first_row + column;
        return r < walk.count() ? static_cast<const T*>(tensor) + walk.at(r, stride, x.head_width) : nullptr;
      };
      Tile::template read<Tile::kColumns>(q_tile, head_width, [&](int column) { return query_row(x.q, column, x.q_stride); });
      Tile::template read<Tile::kColumns>(d_out_tile, head_width, [&](int column) { return query_row(x.d_out, column, x.out_stride); });
      if (threadIdx.x < Tile::kColumns) {
        const int32_t r = first_row + static_cast<int32_t>(threadIdx.x);
        const bool exists = r < walk.count();
        const int64_t at = exists ? walk.query(r) * x.heads + walk.head(r) : 0;
        lse_tile[threadIdx.x] = exists ? x.lse[at] * attention::kLog2E : INFINITY;  // a row that does not exist: p = 0
        delta_tile[threadIdx.x] = exists ? static_cast<const float*>(x.workspace)[at] : 0.0f;
      }
      __syncthreads();

      typename Tile::Scores p, d_s;
      Tile::scores(p, k_tile, q_tile, head_width);
#pragma unroll
      for (int c = 0; c < kColumnsPerThread; c++) {
        const int column = Tile::column(c);
        const int32_t query = (first_row + column) / group;
#pragma unroll
        for (int i = 0; i < kRowsPerThread; i++) {
          const bool seen = dependent > 0 || first_key + Tile::row(i) <= query;
          p[i][c] = seen ? exp2f(p[i][c] * factor - lse_tile[column]) : 0.0f;
        }
      }
      Tile::write_weights(weights, p);
      __syncwarp();
      Tile::accumulate(d_v, weights, d_out_tile);

      Tile::scores(d_s, v_tile, d_out_tile, head_width);
#pragma unroll
      for (int c = 0; c < kColumnsPerThread; c++) {
        const float delta = delta_tile[Tile::column(c)];
#pragma unroll
        for (int i = 0; i < kRowsPerThread; i++) d_s[i][c] = p[i][c] * (d_s[i][c] - delta);
      }
      __syncwarp();  // the weights of d_v have been read
      Tile::write_weights(weights, d_s);
      __syncwarp();
      Tile::accumulate(d_k, weights, q_tile);
    }
  }

#pragma unroll
  for (int i = 0; i < kRowsPerThread; i++) {
    if (first_key + Tile::row(i) >= own.query_count) continue;
    Tile::write(static_cast<T*>(x.d_k) + key_at(Tile::row(i)), d_k[i], x.scale, head_width);
    Tile::write(static_cast<T*>(x.d_v) + key_at(Tile::row(i)), d_v[i], 1.0f, head_width);
  }
}

template <class T>
int backward_of(const Queue& queue, const AttentionBackward& x) {
  return attention::with_width(x.head_width, [&](auto width) {
    constexpr int D = decltype(width)::value;
    using Tile = Tile<D, true>;
    const int64_t query_tiles = divide_up(x.max_queries * (x.heads / x.kv_heads), Tile::kRows);
    const int64_t key_tiles = divide_up(x.max_queries, Tile::kRows);
    constexpr size_t kFloats = 2 * Tile::kRowFloats + 2 * Tile::kColumnFloats + Tile::kWeightFloats;
    const int error = launch(queue, queries<T, D>, dim3(query_tiles * x.segment_count, x.kv_heads), dim3(Tile::kThreads),
                             kFloats * sizeof(float), x, static_cast<int32_t>(query_tiles));
    if (error != cudaSuccess) return error;
    return launch(queue, keys<T, D>, dim3(key_tiles * x.segment_count, x.kv_heads), dim3(Tile::kThreads),
                  (kFloats + 2 * Tile::kColumns) * sizeof(float), x, static_cast<int32_t>(key_tiles));
  });
}

}  // namespace

size_t attention_backward_workspace_bytes(int64_t query_rows, int64_t heads, int64_t) { return query_rows * heads * sizeof(float); }

int run(const Queue& queue, const AttentionBackward& x) {
  return x.dtype == DPO4J_BF16 ? backward_of<__nv_bfloat16>(queue, x) : backward_of<float>(queue, x);
}

}  // namespace dpo4j::cuda
