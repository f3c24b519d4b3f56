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
//
// forward_ranges computes one range of the keys of single queries (attention_decode.cuh), with the same tiles. So a query whose keys are all in
// one range has the bits that it has in a whole sequence.
#include "attention_decode.cuh"
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
using Block = attention::FmaQueryBlock<Tile<D, false>, dpo4j_attention_forward_params, LIMITED>;

// The rows of a block, while tiles of keys are added to them.
template <int D, bool LIMITED>
struct Rows {
  using T = Tile<D, false>;
  const Block<D, LIMITED>& block;
  OnlineSoftmax<T::kRowsPerThread> softmax;
  typename T::Output o;

  __device__ __forceinline__ explicit Rows(const Block<D, LIMITED>& block) : block(block) { T::clear(o); }

  // Adds the keys [first_key, end), where a tile begins at first_key.
  __device__ __forceinline__ void add_keys(float* shared, int32_t first_key, int32_t end) {
    float *const q_tile = shared, *const k_tile = q_tile + T::kRowFloats, *const v_tile = k_tile + T::kColumnFloats;
    float* const weights = v_tile + T::kColumnFloats;
    const dpo4j_attention_forward_params& x = block.x;
    block.read_rows(q_tile, x.q, x.shape.q_stride);
    const attention::ScoreOf<LIMITED> score(x.shape);
    for (; first_key < end; first_key += T::kColumns) {
      __syncthreads();
      block.read_keys(k_tile, x.k, first_key);
      block.read_keys(v_tile, x.v, first_key);
      __syncthreads();
      typename T::Scores s;
      T::scores(s, q_tile, k_tile, block.head_width);
#pragma unroll
      for (int i = 0; i < T::kRowsPerThread; i++) {
        const int32_t last_key = block.last_key(T::row(i)), first_seen = block.first_key(last_key);
#pragma unroll
        for (int c = 0; c < T::kColumnsPerThread; c++) {
          const int32_t key = first_key + T::column(c);
          s[i][c] = key <= last_key && (!LIMITED || key >= first_seen) ? score(s[i][c]) : -INFINITY;
        }
        add_scores<T, LIMITED>(softmax, i, s[i], o[i]);  // without a window, the first tile has a key that every row sees
      }
      T::write_weights(weights, s);
      __syncwarp();
      T::accumulate(o, weights, v_tile, block.partly_seen(first_key));
    }
#pragma unroll
    for (int i = 0; i < T::kRowsPerThread; i++) softmax.sum[i] = attention::row_sum(softmax.sum[i]);
  }

  // Calls f(i, r) for each row of this thread that exists: its number i, and the row r of the segment.
  template <class F>
  __device__ __forceinline__ void each_row(F f) const {
#pragma unroll
    for (int i = 0; i < T::kRowsPerThread; i++) {
      if (block.exists(T::row(i))) f(i, block.row(T::row(i)));
    }
  }

  __device__ __forceinline__ void write_results() const {
    const dpo4j_attention_forward_params& x = block.x;
    each_row([&](int i, int32_t r) {
      T::write(static_cast<float*>(x.out) + block.queries.vector(r, x.shape.out_stride, x.shape.head_width), o[i], 1.0f / softmax.sum[i],
               block.head_width);
      if (T::lane_x() == 0) x.lse[block.queries.scalar(r, x.shape.heads)] = softmax.lse(i);
    });
  }

  __device__ __forceinline__ void write_range(const attention::Ranges& ranges, int64_t segment, int32_t index) const {
    each_row([&](int i, int32_t r) {
      const int64_t at = ranges.at(segment, block.x.shape.heads, block.queries.head(r), index);
      T::write(ranges.values + at * block.head_width, o[i], 1.0f, block.head_width);
      if (T::lane_x() == 0) ranges.weights[at] = make_float2(softmax.maximum[i], softmax.sum[i]);
    });
  }
};

template <int D, bool LIMITED>
__global__ void __launch_bounds__(Tile<D, false>::kThreads, LIMITED ? Tile<D, false>::kLimitedBlocks : Tile<D, false>::kBlocks)
    forward(dpo4j_attention_forward_params x, int32_t row_tiles) {
  const Block<D, LIMITED> block(x, x.segments[blockIdx.x / row_tiles], row_tiles);
  if (block.empty()) return;
  DPO4J_DYNAMIC_SHARED(float, shared);
  Rows<D, LIMITED> rows(block);
  rows.add_keys(shared, block.template first_tile<Tile<D, false>::kColumns>(), block.key_end);
  rows.write_results();
}

template <int D, bool LIMITED>
__global__ void __launch_bounds__(Tile<D, false>::kThreads, LIMITED ? Tile<D, false>::kLimitedBlocks : Tile<D, false>::kBlocks)
    forward_ranges(dpo4j_attention_forward_params x, attention::Ranges ranges, int32_t row_tiles) {
  constexpr int kColumns = Tile<D, false>::kColumns;
  static_assert(kRangeKeys % kColumns == 0, "whole tiles");
  const Block<D, LIMITED> block(x, x.segments[blockIdx.x / row_tiles], row_tiles);
  if (block.empty()) return;
  const attention::SeenRanges seen(x.shape, block.key_end - 1);
  const int32_t index = blockIdx.z;
  if (seen.has_block(index, ranges)) {
    DPO4J_DYNAMIC_SHARED(float, shared);
    Rows<D, LIMITED> rows(block);
    rows.add_keys(shared, seen.begin(index) / kColumns * kColumns, seen.end(index));
    if (seen.fit(ranges)) {
      if (seen.count == 1) return rows.write_results();
      return rows.write_range(ranges, blockIdx.x / row_tiles, index);
    }
#pragma unroll
    for (int i = 0; i < Tile<D, false>::kRowsPerThread; i++) rows.softmax.sum[i] = NAN;
    rows.write_results();
  }
}

template <int D>
constexpr size_t kSharedBytes =
    (Tile<D, false>::kRowFloats + 2 * Tile<D, false>::kColumnFloats + Tile<D, false>::kWeightFloats) * sizeof(float);

template <int D>
int64_t row_tiles_of(const dpo4j_attention_forward_params& x) {
  return divide_up(x.max_queries * (x.shape.heads / x.shape.kv_heads), Tile<D, false>::kRows);
}

int forward_fma(const LaunchContext& context, const dpo4j_attention_forward_params& x) {
  return attention::with_width(x.shape.head_width, [&](auto width) {
    return attention::with_limits(x.shape, [&](auto limited) {
      constexpr int D = decltype(width)::value;
      const int64_t row_tiles = row_tiles_of<D>(x);
      return launch(context, forward<D, decltype(limited)::value>, dim3(row_tiles * x.segment_count, x.shape.kv_heads),
                    dim3(Tile<D, false>::kThreads), kSharedBytes<D>, x, static_cast<int32_t>(row_tiles));
    });
  });
}

}  // namespace

int attention::decode_fma(const LaunchContext& context, const dpo4j_attention_forward_params& x, const Ranges& ranges) {
  return with_width(x.shape.head_width, [&](auto width) {
    return with_limits(x.shape, [&](auto limited) {
      constexpr int D = decltype(width)::value;
      const int64_t row_tiles = row_tiles_of<D>(x);
      return launch(context, forward_ranges<D, decltype(limited)::value>,
                    dim3(row_tiles * x.segment_count, x.shape.kv_heads, ranges.max_count), dim3(Tile<D, false>::kThreads), kSharedBytes<D>,
                    x, ranges, static_cast<int32_t>(row_tiles));
    });
  });
}

int run(const LaunchContext& context, const dpo4j_attention_forward_params& x) {
  if (x.max_keys > 0 && has_kernel(context, kAttentionDecode)) return attention::decode(context, x);
  if (x.shape.dtype != DPO4J_BF16) return forward_fma(context, x);
  return attention::has_forward_sm90a(context, x.shape.head_width) ? attention::forward_sm90a(context, x)
                                                                   : attention::forward_mma(context, x);
}

}  // namespace dpo4j::cuda
