// attention, forward, of one query a segment over long lists of keys: out = softmax(scale q k^T) v, lse = log(sum of exp(scale q k)), for the
// query heads of a key head together. attention_decode.cuh says how keys are split into ranges.
//
// bf16 ranges, on mma.sync (sm_80 and later). A block has one range of one segment and key head, and up to 16 query heads of its group, which
// are the rows of a tensor core fragment. Each warp takes every fourth tile of 16 keys (every second one if the head width is above 128) and
// keeps a softmax and sums of its own. It loads its tiles by cp.async into a ring of its own, so warps wait for each other only at the end,
// when the block adds their sums in the order of the warps. All rows of a block see the same keys. So a hidden key is loaded as zeros: its
// value adds 0 times 0, and its score is set to -infinity. fp32 ranges: attention_forward.cu.
//
// merge adds the ranges of a head: warp w takes the ranges w, w + 8, ... in order, and then the sums of the warps are added in order.
//
// Never materialised: scores, weights, repeated key heads. Bytes moved: the keys and values that a query sees, once for all heads of a group;
// q and out once; partial results (head_width + 2) * 4 bytes for a head and range, written and read once, from L2. Bound by the bytes of keys
// and values. Predicted: PERFORMANCE.md. Share of the roofline: not yet measured on a GPU.
#include "attention_decode.cuh"
#include "attention_softmax.cuh"

namespace dpo4j::cuda {
namespace {

using attention::bf16;
using attention::Ranges;
using attention::SeenRanges;

// Shapes for head widths up to D. All of them need at most 76 KiB of shared memory, so three blocks fit on an SM of Hopper and one on every
// device.
template <int D>
struct RangeTile {
  static constexpr int kWarps = D <= 128 ? 4 : 2, kThreads = kWarps * kWarp, kBlocks = 3;
  static constexpr int kRows = 16, kKeys = 16;
  static constexpr int kStages = D <= 64 ? 4 : D <= 96 ? 3 : 2;
  using Tile = attention::MmaTile<D, 1, kKeys>;
  using Softmax = attention::Softmax<Tile>;
  static constexpr int kTileElements = kKeys * D, kRowElements = kRows * D;
  static constexpr int kStep = kWarps * kKeys;  // from a tile of a warp to its next
  static constexpr size_t kSharedBytes = (kRowElements + 2 * kStages * kWarps * kTileElements) * sizeof(bf16);
  // The sums of the warps, in the memory of their rings. A row begins 8 banks after the previous one.
  static constexpr int kSumStride = D + 8, kWarpSums = kRows * kSumStride;
  static_assert(kWarps * (kWarpSums + 2 * kRows) * sizeof(float) <= 2 * kStages * kWarps * kTileElements * sizeof(bf16), "sums fit");
  static_assert(kRangeKeys % kStep == 0, "the tiles of a warp are at the same places in every range");
};

template <int D, bool LIMITED>
using Block = attention::QueryBlock<RangeTile<D>::kRows, dpo4j_attention_forward_params, LIMITED>;

// Starts to copy the block's query heads. Rows that do not exist become 0.
template <int D, bool LIMITED>
__device__ __forceinline__ void copy_queries(const Block<D, LIMITED>& block, bf16* rows) {
  using Shape = RangeTile<D>;
  constexpr int kChunks = D / 8;
  const bf16* const q = static_cast<const bf16*>(block.x.q);
  for (int item = threadIdx.x; item < Shape::kRows * kChunks; item += Shape::kThreads) {
    const int row = item / kChunks, chunk = item % kChunks;
    const bool exists = block.exists(row) && 8 * chunk < block.head_width;
    const int64_t begin = block.queries.vector(block.row(row), block.x.shape.q_stride, block.head_width);
    cp_async_16(rows + Shape::Tile::Rows::at(row, chunk), exists ? q + begin + 8 * chunk : q, exists);
  }
}

// The keys of a range that one warp takes.
template <int D, bool LIMITED>
struct WarpKeys {
  using Shape = RangeTile<D>;
  using Tile = typename Shape::Tile;
  const Block<D, LIMITED>& block;
  int32_t begin, end;  // of the keys that the query sees
  bf16* ring;          // kStages times a tile of keys and a tile of values

  __device__ __forceinline__ bf16* keys(int stage) const { return ring + 2 * stage * Shape::kTileElements; }
  __device__ __forceinline__ bf16* values(int stage) const { return keys(stage) + Shape::kTileElements; }

  // The first key of the warp's first tile of which the query sees a key.
  __device__ __forceinline__ int32_t first_tile(int warp) const {
    int32_t tile = begin / kRangeKeys * kRangeKeys + warp * Shape::kKeys;
    while (tile + Shape::kKeys <= begin) tile += Shape::kStep;
    return tile;
  }

  // Starts to copy the tile that begins at a key, or closes an empty group of copies if the range has ended.
  __device__ __forceinline__ void copy(int stage, int32_t tile) const {
    if (tile < end) {
      constexpr int kChunks = D / 8;
      const dpo4j_attention_forward_params& x = block.x;
      const bf16 *const k = static_cast<const bf16*>(x.k), *const v = static_cast<const bf16*>(x.v);
      const int lane = computed_here(attention::lane_index());
#pragma unroll 4
      for (int i = 0; i < Shape::kKeys * kChunks / kWarp; i++) {
        const int item = lane + i * kWarp, row = item / kChunks, chunk = item % kChunks;
        const int32_t key = tile + row;
        const bool exists = key >= begin && key < end && 8 * chunk < block.head_width;
        const int64_t from = exists ? block.keys.row(key) * x.shape.kv_stride + block.kv_head * block.head_width + 8 * chunk : 0;
        cp_async_16(keys(stage) + Tile::Rows::at(row, chunk), k + from, exists);
        cp_async_16(values(stage) + Tile::Rows::at(row, chunk), v + from, exists);
      }
    }
    cp_async_commit();
  }

  __device__ __forceinline__ void hide(typename Tile::Scores& s, int32_t tile) const {
#pragma unroll
    for (int n = 0; n < Shape::kKeys / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int32_t key = tile + Tile::column(n, i % 2);
        if (key < begin || key >= end) s[0][n][i] = -INFINITY;
      }
    }
  }

  // Adds the tiles of the warp to its sums. The queries and kStages tiles from `tile` on are on their way.
  __device__ __forceinline__ void add(const bf16* queries, int32_t tile, typename Shape::Softmax& softmax, typename Tile::Output& o) const {
    const float factor = block.x.shape.scale * kLog2E;
    int stage = 0;
    for (; tile < end; tile += Shape::kStep) {
      cp_async_wait<Shape::kStages - 1>();
      __syncwarp();
      typename Tile::Scores s;
      Tile::scores(s, queries, 0, keys(stage));
      const float positive = attention::positive_factor<Tile, LIMITED>(s, factor, block.x.shape);
      if (tile < begin || tile + Shape::kKeys > end) hide(s, tile);
      typename Tile::RowFloats rescale;
      // All rows see the same keys, at least one of each tile.
      if (softmax.template weigh<false>(s, positive, rescale)) Tile::scale(o, rescale);
      typename Tile::Weights weights;
      Tile::to_weights(weights, s);
      Tile::accumulate(o, weights, values(stage));
      __syncwarp();  // all lanes have read the stage
      copy(stage, tile + Shape::kStages * Shape::kStep);
      stage = stage + 1 == Shape::kStages ? 0 : stage + 1;
    }
    cp_async_wait<0>();
    softmax.sum[0] = quad_sum(softmax.sum[0]);
    softmax.sum[1] = quad_sum(softmax.sum[1]);
  }
};

// The sums of the block's warps in shared memory, and their total.
template <int D, bool LIMITED>
struct BlockSums {
  using Shape = RangeTile<D>;
  using Tile = typename Shape::Tile;
  float* sums;      // [warps, rows, kSumStride]
  float2* weights;  // [warps, rows]

  __device__ __forceinline__ explicit BlockSums(bf16* memory)
      : sums(reinterpret_cast<float*>(memory)), weights(reinterpret_cast<float2*>(sums + Shape::kWarps * Shape::kWarpSums)) {}

  __device__ __forceinline__ void write(int warp, const typename Shape::Softmax& softmax, const typename Tile::Output& o) const {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = Tile::row(0, half);
      float* const to = sums + warp * Shape::kWarpSums + row * Shape::kSumStride + 2 * attention::lane_member();
#pragma unroll
      for (int n = 0; n < D / 8; n++) *reinterpret_cast<float2*>(to + 8 * n) = make_float2(o[0][n][2 * half], o[0][n][2 * half + 1]);
      const int i = Shape::Softmax::index(0, half);
      if (attention::lane_member() == 0) weights[warp * Shape::kRows + row] = make_float2(softmax.maximum[i], softmax.sum[i]);
    }
  }

  // The maximum of a row over all warps, and its sum of weights.
  __device__ __forceinline__ float2 total(int row) const {
    float2 all = make_float2(-INFINITY, 0);
#pragma unroll
    for (int warp = 0; warp < Shape::kWarps; warp++) all.x = fmaxf(all.x, weights[warp * Shape::kRows + row].x);
#pragma unroll
    for (int warp = 0; warp < Shape::kWarps; warp++) all.y += factor(warp, row, all.x) * weights[warp * Shape::kRows + row].y;
    return all;
  }

  // Four values of a row, summed over all warps.
  __device__ __forceinline__ Vec<4> values(int row, int d, float maximum) const {
    Vec<4> all{};
#pragma unroll
    for (int warp = 0; warp < Shape::kWarps; warp++) {
      const float scale = factor(warp, row, maximum);
      const float4 x = *reinterpret_cast<const float4*>(sums + warp * Shape::kWarpSums + row * Shape::kSumStride + d);
      all[0] = fmaf(scale, x.x, all[0]), all[1] = fmaf(scale, x.y, all[1]);
      all[2] = fmaf(scale, x.z, all[2]), all[3] = fmaf(scale, x.w, all[3]);
    }
    return all;
  }

 private:
  // 0 for a warp without keys, whose maximum is -infinity.
  __device__ __forceinline__ float factor(int warp, int row, float maximum) const {
    return exp2_flushed(weights[warp * Shape::kRows + row].x - maximum);
  }
};

// Stores the total of each row: the results if the query sees one range only, otherwise the partial results of the range.
template <int D, bool LIMITED>
__device__ __forceinline__ void write_rows(const Block<D, LIMITED>& block, const BlockSums<D, LIMITED>& sums, const Ranges& ranges,
                                           int64_t segment, int32_t index, bool is_only) {
  constexpr int kQuads = D / 4;
  const dpo4j_attention_forward_params& x = block.x;
  for (int item = threadIdx.x; item < RangeTile<D>::kRows * kQuads; item += RangeTile<D>::kThreads) {
    const int row = item / kQuads, d = item % kQuads * 4;
    if (!block.exists(row) || d >= block.head_width) continue;
    const float2 total = sums.total(row);
    Vec<4> values = sums.values(row, d, total.x);
    const int32_t r = block.row(row);
    if (is_only) {
      const float inverse = 1.0f / total.y;
#pragma unroll
      for (int k = 0; k < 4; k++) values[k] *= inverse;
      store<4>(static_cast<bf16*>(x.out) + block.queries.vector(r, x.shape.out_stride, block.head_width) + d, values);
      if (d == 0) x.lse[block.queries.scalar(r, x.shape.heads)] = (total.x + log2f(total.y)) * kLn2;
    } else {
      const int64_t at = ranges.at(segment, x.shape.heads, block.queries.head(r), index);
      store<4>(ranges.values + at * block.head_width + d, values);
      if (d == 0) ranges.weights[at] = total;
    }
  }
}

template <int D, bool LIMITED>
__global__ void __launch_bounds__(RangeTile<D>::kThreads, RangeTile<D>::kBlocks)
    add_ranges(dpo4j_attention_forward_params x, Ranges ranges, int32_t row_tiles) {
  using Shape = RangeTile<D>;
  const int64_t segment = blockIdx.x / row_tiles;
  const Block<D, LIMITED> block(x, x.segments[segment], row_tiles);
  if (block.empty()) return;
  const SeenRanges seen(x.shape, block.key_end - 1);
  const int32_t index = blockIdx.z;
  if (!seen.has_block(index, ranges)) return;
  DPO4J_DYNAMIC_SHARED(bf16, shared);
  bf16* const rings = shared + Shape::kRowElements;
  const int warp = attention::warp_index();
  const WarpKeys<D, LIMITED> keys{block, seen.begin(index), seen.end(index), rings + 2 * Shape::kStages * warp * Shape::kTileElements};
  const int32_t tile = keys.first_tile(warp);
  copy_queries<D>(block, shared);
  cp_async_commit();
#pragma unroll
  for (int stage = 0; stage < Shape::kStages; stage++) keys.copy(stage, tile + stage * Shape::kStep);
  cp_async_wait<Shape::kStages>();
  __syncthreads();  // the queries have arrived

  typename Shape::Softmax softmax;
  typename Shape::Tile::Output o;
  Shape::Tile::clear(o);
  keys.add(shared, tile, softmax, o);
  if (!seen.fit(ranges)) softmax.sum[0] = softmax.sum[1] = NAN;
  __syncthreads();  // all warps have read their rings
  const BlockSums<D, LIMITED> sums(rings);
  sums.write(warp, softmax, o);
  __syncthreads();
  write_rows<D>(block, sums, ranges, segment, index, seen.count == 1 || !seen.fit(ranges));
}

// ---- merge ------------------------------------------------------------------------------------------------------------------------------

constexpr int kMergeWarps = 8, kMergeThreads = kMergeWarps * kWarp;
constexpr int kMaxHeadWidth = 256;
constexpr int kQuadsPerLane = kMaxHeadWidth / (4 * kWarp);

// Block (segment, head): adds the ranges of a query that sees several.
template <class T>
__global__ void __launch_bounds__(kMergeThreads) merge(dpo4j_attention_forward_params x, Ranges ranges) {
  const dpo4j_segment segment = x.segments[blockIdx.x];
  if (segment.query_count == 0) return;
  const SeenRanges seen(x.shape, attention::Keys{segment}.last_seen_by(0));
  if (seen.count == 1 || !seen.fit(ranges)) return;
  const int32_t head_width = static_cast<int32_t>(x.shape.head_width), lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t first = ranges.at(blockIdx.x, x.shape.heads, blockIdx.y, 0);
  const float2* const weights = ranges.weights + first;
  const float* const values = ranges.values + first * head_width;

  float maximum = -INFINITY;
  for (int32_t i = lane; i < seen.count; i += kWarp) maximum = fmaxf(maximum, weights[i].x);
  maximum = lane_max<kWarp>(maximum);

  float sum = 0;
  float4 o[kQuadsPerLane] = {};
#pragma unroll 4
  for (int32_t i = warp; i < seen.count; i += kMergeWarps) {
    const float factor = exp2f(weights[i].x - maximum);
    sum = fmaf(factor, weights[i].y, sum);
#pragma unroll
    for (int q = 0; q < kQuadsPerLane; q++) {
      const int d = 4 * (lane + q * kWarp);
      if (d >= head_width) continue;
      const float4 v = *reinterpret_cast<const float4*>(values + static_cast<int64_t>(i) * head_width + d);
      o[q].x = fmaf(factor, v.x, o[q].x), o[q].y = fmaf(factor, v.y, o[q].y);
      o[q].z = fmaf(factor, v.z, o[q].z), o[q].w = fmaf(factor, v.w, o[q].w);
    }
  }

  DPO4J_SHARED(float, warp_sums, [kMergeWarps]);
  DPO4J_SHARED(float4, warp_values, [kMergeWarps][kQuadsPerLane * kWarp]);
#pragma unroll
  for (int q = 0; q < kQuadsPerLane; q++) warp_values[warp][lane + q * kWarp] = o[q];
  if (lane == 0) warp_sums[warp] = sum;
  __syncthreads();
  float all = 0;
#pragma unroll
  for (int w = 0; w < kMergeWarps; w++) all += warp_sums[w];
  const int64_t row = segment.query_begin;
  if (threadIdx.x == 0) x.lse[row * x.shape.heads + blockIdx.y] = (maximum + log2f(all)) * kLn2;
  const int d = 4 * threadIdx.x;
  if (d >= head_width) return;
  float4 total = make_float4(0, 0, 0, 0);
#pragma unroll
  for (int w = 0; w < kMergeWarps; w++) {
    const float4 v = warp_values[w][threadIdx.x];
    total.x += v.x, total.y += v.y, total.z += v.z, total.w += v.w;
  }
  const float inverse = 1.0f / all;
  store<4>(static_cast<T*>(x.out) + row * x.shape.out_stride + static_cast<int64_t>(blockIdx.y) * head_width + d,
           Vec<4>{{total.x * inverse, total.y * inverse, total.z * inverse, total.w * inverse}});
}

int decode_mma(const LaunchContext& context, const dpo4j_attention_forward_params& x, const Ranges& ranges) {
  return attention::with_mma_width(x.shape.head_width, [&](auto width) {
    return attention::with_limits(x.shape, [&](auto limited) {
      using Shape = RangeTile<decltype(width)::value>;
      const int64_t row_tiles = divide_up(x.max_queries * (x.shape.heads / x.shape.kv_heads), Shape::kRows);
      return launch(context, add_ranges<decltype(width)::value, decltype(limited)::value>,
                    dim3(row_tiles * x.segment_count, x.shape.kv_heads, ranges.max_count), dim3(Shape::kThreads), Shape::kSharedBytes, x,
                    ranges, static_cast<int32_t>(row_tiles));
    });
  });
}

}  // namespace

int attention::decode(const LaunchContext& context, const dpo4j_attention_forward_params& x) {
  const Ranges ranges = ranges_of(x);
  const int error = x.shape.dtype == DPO4J_BF16 ? decode_mma(context, x, ranges) : decode_fma(context, x, ranges);
  if (error != cudaSuccess || ranges.max_count == 1) return error;
  const dim3 grid(x.segment_count, x.shape.heads);
  return x.shape.dtype == DPO4J_BF16 ? launch(context, merge<bf16>, grid, dim3(kMergeThreads), 0, x, ranges)
                                     : launch(context, merge<float>, grid, dim3(kMergeThreads), 0, x, ranges);
}

}  // namespace dpo4j::cuda
