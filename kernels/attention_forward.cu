// attention, forward: out = softmax(scale q k^T) v over the keys a query sees (prefix first, then its own segment up to itself), and
// lse = log(sum of exp(scale q k)).
//
// Online softmax (Milakov and Gimelshein 2018), tiled (Dao et al. 2022). Never materialised: scores, probabilities, repeated key heads.
// A query's numbers depend on the keys it sees alone: not on other queries, on the tile it falls into, nor on where its prefix lies.
//
// Bytes moved: q and out once, k and v once for every tile of queries (from L2). Bound by arithmetic: 4 head_width FLOPs a visible pair of
// query and key, here on fp32 units. Share of the roofline: not yet measured on a GPU.
#include "attention.cuh"

namespace dpo4j::cuda {
namespace {

using attention::Keys;
using attention::Tile;

template <class T, int D>
__global__ void __launch_bounds__(128) forward(AttentionForward x, int32_t row_tiles) {
  using Tile = Tile<D, false>;
  constexpr int kRowsPerThread = Tile::kRowsPerThread, kColumnsPerThread = Tile::kColumnsPerThread;
  const Keys keys{x.segments[blockIdx.x / row_tiles]};
  const int32_t group = static_cast<int32_t>(x.heads / x.kv_heads), head_width = static_cast<int32_t>(x.head_width);
  const int32_t rows = keys.segment.query_count * group;
  // The last tile sees the most keys and starts first.
  const int32_t first_row = (row_tiles - 1 - static_cast<int32_t>(blockIdx.x % row_tiles)) * Tile::kRows;
  if (first_row >= rows) return;
  const int32_t last_row = first_row + Tile::kRows < rows ? first_row + Tile::kRows - 1 : rows - 1;
  const int32_t key_count = keys.last_seen_by(last_row / group) + 1;
  const int64_t first_head = static_cast<int64_t>(blockIdx.y) * group, kv_column = blockIdx.y * x.head_width;

  DPO4J_DYNAMIC_SHARED(float, shared);
  float *const q_tile = shared, *const k_tile = q_tile + Tile::kRowFloats, *const v_tile = k_tile + Tile::kColumnFloats;
  float* const weights = v_tile + Tile::kColumnFloats;

  const T* const q = static_cast<const T*>(x.q);
  Tile::template read<Tile::kRows>(q_tile, head_width, [&](int row) -> const T* {
    const int32_t r = first_row + row;
    if (r > last_row) return nullptr;
    return q + (keys.segment.query_begin + static_cast<int64_t>(r / group)) * x.q_stride + (first_head + r % group) * x.head_width;
  });

  // Softmax state of this thread's rows, in base 2; `sum` over this thread's columns only until the end.
  float maximum[kRowsPerThread], sum[kRowsPerThread];
  int32_t last_key[kRowsPerThread];
  typename Tile::Output o;
  Tile::clear(o);
#pragma unroll
  for (int i = 0; i < kRowsPerThread; i++) {
    const int32_t r = first_row + Tile::row(i);
    maximum[i] = -INFINITY, sum[i] = 0;
    last_key[i] = keys.last_seen_by((r < last_row ? r : last_row) / group);
  }
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

    typename Tile::Scores s;
    Tile::scores(s, q_tile, k_tile, head_width);
#pragma unroll
    for (int i = 0; i < kRowsPerThread; i++) {
      float highest = maximum[i];
#pragma unroll
      for (int c = 0; c < kColumnsPerThread; c++) {
        s[i][c] = first_key + Tile::column(c) <= last_key[i] ? s[i][c] * factor : -INFINITY;
        highest = fmaxf(highest, s[i][c]);
      }
      highest = attention::row_max(highest);  // finite: every row sees key 0
      const float kept = exp2f(maximum[i] - highest);
      maximum[i] = highest;
      sum[i] *= kept;
#pragma unroll
      for (int c = 0; c < kColumnsPerThread; c++) {
        s[i][c] = exp2f(s[i][c] - highest);
        sum[i] += s[i][c];
      }
#pragma unroll
      for (int d = 0; d < Tile::kQuads; d++) o[i][d].x *= kept, o[i][d].y *= kept, o[i][d].z *= kept, o[i][d].w *= kept;
    }
    Tile::write_weights(weights, s);
    __syncwarp();
    Tile::accumulate(o, weights, v_tile);
  }

#pragma unroll
  for (int i = 0; i < kRowsPerThread; i++) {
    const float total = attention::row_sum(sum[i]);
    const int32_t r = first_row + Tile::row(i);
    if (r > last_row) continue;
    const int64_t query = keys.segment.query_begin + static_cast<int64_t>(r / group), head = first_head + r % group;
    Tile::write(static_cast<T*>(x.out) + query * x.out_stride + head * x.head_width, o[i], 1.0f / total, head_width);
    if (Tile::lane_x() == 0) x.lse[query * x.heads + head] = (maximum[i] + log2f(total)) * attention::kLn2;
  }
}

template <class T>
int forward_of(const Queue& queue, const AttentionForward& x) {
  return attention::with_width(x.head_width, [&](auto width) {
    constexpr int D = decltype(width)::value;
    using Tile = Tile<D, false>;
    const int64_t row_tiles = divide_up(x.max_queries * (x.heads / x.kv_heads), Tile::kRows);
    const size_t shared_bytes = (Tile::kRowFloats + 2 * Tile::kColumnFloats + Tile::kWeightFloats) * sizeof(float);
    return launch(queue, forward<T, D>, dim3(row_tiles * x.segment_count, x.kv_heads), dim3(Tile::kThreads), shared_bytes, x,
                  static_cast<int32_t>(row_tiles));
  });
}

}  // namespace

int run(const Queue& queue, const AttentionForward& x) {
  return x.dtype == DPO4J_BF16 ? forward_of<__nv_bfloat16>(queue, x) : forward_of<float>(queue, x);
}

}  // namespace dpo4j::cuda
