// attention, forward: out = softmax(scale q k^T) v over the keys that a query sees (first the prefix, then its own segment up to the
// query; of these the last ones, if there is a window), and lse = log(sum of exp(scale q k)). With a soft cap, the scores are
// cap tanh(scale q k / cap).
//
// Online softmax (Milakov and Gimelshein 2018), tiled (Dao et al. 2022). Never materialised: scores, probabilities, repeated key heads. The
// result of a query depends only on the query and the keys that it sees, not on other queries, on its tile, or on where its prefix is
// stored.
//
// Bytes moved: q and out once, k and v once per tile of queries (from L2). Bound by arithmetic: 4 head_width FLOPs per visible pair of
// query and key, here on fp32 units. Share of the roofline: not yet measured on a GPU.
#include "attention_fma.cuh"
#include "online_softmax.cuh"

namespace dpo4j::cuda {
namespace {

using attention::Tile;

// Turns the scores of row i into weights, and rescales `o` to the new maximum. Without LIMITED, at least one score so far must be finite. The
// sum of `softmax` is over this thread's columns.
template <class Tile, bool LIMITED>
__device__ __forceinline__ void add_scores(OnlineSoftmax<Tile::kRowsPerThread>& softmax, int i, float (&scores)[Tile::kColumnsPerThread],
                                           float4 (&o)[Tile::kQuads]) {
  float now = softmax.maximum[i];
#pragma unroll
  for (int c = 0; c < Tile::kColumnsPerThread; c++) now = fmaxf(now, scores[c]);
  now = attention::row_max(now);
  const float reference = LIMITED ? finite_reference(now) : now;
  const float rescale = exp2f(softmax.maximum[i] - reference);
  softmax.move_to(i, now, rescale);
#pragma unroll
  for (int c = 0; c < Tile::kColumnsPerThread; c++) softmax.sum[i] += scores[c] = exp2f(scores[c] - reference);
#pragma unroll
  for (int q = 0; q < Tile::kQuads; q++) o[q].x *= rescale, o[q].y *= rescale, o[q].z *= rescale, o[q].w *= rescale;
}

template <int D, bool LIMITED>
__global__ void __launch_bounds__(Tile<D, false>::kThreads, LIMITED ? Tile<D, false>::kLimitedBlocks : Tile<D, false>::kBlocks)
    forward(dpo4j_attention_forward_params x, int32_t row_tiles) {
  using Tile = Tile<D, false>;
  const attention::FmaQueryBlock<Tile, dpo4j_attention_forward_params, LIMITED> block(x, x.segments[blockIdx.x / row_tiles], row_tiles);
  if (block.empty()) return;
  DPO4J_DYNAMIC_SHARED(float, shared);
  float *const q_tile = shared, *const k_tile = q_tile + Tile::kRowFloats, *const v_tile = k_tile + Tile::kColumnFloats;
  float* const weights = v_tile + Tile::kColumnFloats;
  block.read_rows(q_tile, x.q, x.shape.q_stride);

  OnlineSoftmax<Tile::kRowsPerThread> softmax;
  typename Tile::Output o;
  Tile::clear(o);
  const attention::ScoreOf<LIMITED> score(x.shape);
  for (int32_t first_key = block.template first_tile<Tile::kColumns>(); first_key < block.key_end; first_key += Tile::kColumns) {
    __syncthreads();
    block.read_keys(k_tile, x.k, first_key);
    block.read_keys(v_tile, x.v, first_key);
    __syncthreads();
    typename Tile::Scores s;
    Tile::scores(s, q_tile, k_tile, block.head_width);
#pragma unroll
    for (int i = 0; i < Tile::kRowsPerThread; i++) {
      const int32_t last_key = block.last_key(Tile::row(i)), first_seen = block.first_key(last_key);
#pragma unroll
      for (int c = 0; c < Tile::kColumnsPerThread; c++) {
        const int32_t key = first_key + Tile::column(c);
        s[i][c] = key <= last_key && (!LIMITED || key >= first_seen) ? score(s[i][c]) : -INFINITY;
      }
      add_scores<Tile, LIMITED>(softmax, i, s[i], o[i]);  // without a window, the first tile holds key 0, which every row sees
    }
    Tile::write_weights(weights, s);
    __syncwarp();
    Tile::accumulate(o, weights, v_tile, block.partly_seen(first_key));
  }

#pragma unroll
  for (int i = 0; i < Tile::kRowsPerThread; i++) {
    softmax.sum[i] = attention::row_sum(softmax.sum[i]);
    if (!block.exists(Tile::row(i))) continue;
    const int32_t r = block.row(Tile::row(i));
    Tile::write(static_cast<float*>(x.out) + block.queries.vector(r, x.shape.out_stride, x.shape.head_width), o[i], 1.0f / softmax.sum[i],
                block.head_width);
    if (Tile::lane_x() == 0) x.lse[block.queries.scalar(r, x.shape.heads)] = softmax.lse(i);
  }
}

int forward_fma(const LaunchContext& context, const dpo4j_attention_forward_params& x) {
  return attention::with_width(x.shape.head_width, [&](auto width) {
    return attention::with_limits(x.shape, [&](auto limited) {
      constexpr int D = decltype(width)::value;
      using Tile = Tile<D, false>;
      const int64_t row_tiles = divide_up(x.max_queries * (x.shape.heads / x.shape.kv_heads), Tile::kRows);
      const size_t shared_bytes = (Tile::kRowFloats + 2 * Tile::kColumnFloats + Tile::kWeightFloats) * sizeof(float);
      return launch(context, forward<D, decltype(limited)::value>, dim3(row_tiles * x.segment_count, x.shape.kv_heads),
                    dim3(Tile::kThreads), shared_bytes, x, static_cast<int32_t>(row_tiles));
    });
  });
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_attention_forward_params& x) {
  if (x.shape.dtype != DPO4J_BF16) return forward_fma(context, x);
  return attention::has_forward_sm90a(context, x.shape.head_width) ? attention::forward_sm90a(context, x)
                                                                   : attention::forward_mma(context, x);
}

}  // namespace dpo4j::cuda
