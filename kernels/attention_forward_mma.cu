// attention, forward, bf16 on tensor cores: out = softmax(scale q k^T) v over the keys that a query sees, lse = log(sum of exp(scale q k)).
//
// The algorithm of attention_forward.cu on mma.sync m16n8k16 (sm_80 and later). A block has 128 rows, a warp 32 of them, and a tile has 64
// keys; if the head width is above 128, a block has 64 rows, a warp 16, and a tile 32 keys. On GPUs with 100 KiB of shared memory per SM,
// tiles of widths above 96 have half as many keys, so that two blocks fit. Values are loaded while scores are computed, and the next keys
// while weights are multiplied by values. Softmax statistics are fp32. Weights are rounded to bf16 for their product with
// v; their sum adds the unrounded weights. The mask is applied only to tiles that some row of the warp does not see completely. A warp
// skips a tile that none of its rows sees. Never materialised: scores, probabilities, repeated key heads. The result of a query depends
// only on the keys that it sees.
//
// Bytes moved: q and out once, k and v once per block (from L2). Bound by arithmetic: 4 head_width FLOPs per visible pair of query and key.
// Predicted: PERFORMANCE.md. Share of the roofline: not yet measured on a GPU. On Hopper, attention_forward_sm90a.cu computes head widths
// 64 and 128.
#include "attention_softmax.cuh"

namespace dpo4j::cuda {
namespace {

using attention::bf16;
using attention::kMmaThreads;

template <int D, int COLUMNS>
struct ForwardTile : attention::MmaTile<D, (D <= 128 ? 2 : 1), COLUMNS> {
  static constexpr int kRows = attention::kMmaWarps * ForwardTile::kRowsPerWarp;
  static constexpr size_t kSharedBytes = (kRows + 2 * COLUMNS) * D * sizeof(bf16);
};

template <int D>
struct Tiles {
  using List = attention::TileList<ForwardTile<D, 64>>;
};
template <>
struct Tiles<128> {
  using List = attention::TileList<ForwardTile<128, 64>, ForwardTile<128, 32>>;
};
template <>
struct Tiles<256> {
  using List = attention::TileList<ForwardTile<256, 32>, ForwardTile<256, 16>>;
};
static_assert(attention::fits(ForwardTile<96, 64>::kSharedBytes, attention::kSmallSmBytes) &&
                  attention::fits(ForwardTile<128, 32>::kSharedBytes, attention::kSmallSmBytes) &&
                  attention::fits(ForwardTile<256, 16>::kSharedBytes, attention::kSmallSmBytes),
              "two blocks on the smallest SM");

template <int D, int COLUMNS, bool LIMITED>
__global__ void __launch_bounds__(kMmaThreads, attention::kMmaBlocks) forward(dpo4j_attention_forward_params x, int32_t row_tiles) {
  using Tile = ForwardTile<D, COLUMNS>;
  using Block = attention::MmaQueryBlock<Tile, dpo4j_attention_forward_params, LIMITED>;
  const Block block(x, row_tiles);
  if (block.empty()) return;
  DPO4J_DYNAMIC_SHARED(bf16, shared);
  bf16 *const q_rows = shared, *const k_tile = q_rows + block.kRows * D, *const v_tile = k_tile + Tile::kColumns * D;
  block.copy_rows(q_rows, x.q, x.shape.q_stride);
  const int32_t first_tile = block.template first_tile<Tile::kColumns>();
  block.copy_keys(k_tile, x.k, first_tile);
  cp_async_commit();

  attention::Softmax<Tile> softmax;
  typename Tile::Output o;
  Tile::clear(o);
  const float factor = x.shape.scale * kLog2E;
  for (int32_t first_key = first_tile; first_key < block.key_end; first_key += Tile::kColumns) {
    const bool sees = block.sees(first_key);
    typename Tile::Scores s;
    cp_async_wait<0>();
    __syncthreads();  // the keys have arrived, and all warps have read the previous values
    block.copy_keys(v_tile, x.v, first_key);
    cp_async_commit();
    if (sees) Tile::scores(s, q_rows, block.warp_row, k_tile);
    cp_async_wait<0>();
    __syncthreads();  // the values have arrived, and all warps have read the keys
    if (first_key + Tile::kColumns < block.key_end) {
      block.copy_keys(k_tile, x.k, first_key + Tile::kColumns);
      cp_async_commit();
    }
    const bool hidden = !block.block_sees_all(first_key) && Tile::Rows::template hide_not_finite<Tile::kColumns>(v_tile);
    if (!sees) continue;
    const float positive = attention::positive_factor<Tile, LIMITED>(s, factor, x.shape);
    // The Block is constructed again here and after the loop, because registers are too few to keep its fields during the loop.
    if (!block.sees_all(first_key)) Block(x, row_tiles).hide(s, first_key, -INFINITY);
    typename Tile::RowFloats rescale;
    // Without a window, the first tile holds key 0, which every row sees.
    if (softmax.template weigh<LIMITED>(s, positive, rescale)) Tile::scale(o, rescale);
    typename Tile::Weights weights;
    Tile::to_weights(weights, s);
    Tile::accumulate(o, weights, v_tile);
    if (hidden) block.restore_keys(o, x.v, first_key);
  }

  typename Tile::RowFloats inverse;
  softmax.finish(inverse);
  const Block again(x, row_tiles);
  again.write(x.out, x.shape.out_stride, o, inverse, q_rows);
  attention::write_lse(x, again, softmax);
}

}  // namespace

int attention::forward_mma(const LaunchContext& context, const dpo4j_attention_forward_params& x) {
  const auto run = [&](auto width, auto limited) {
    constexpr int D = decltype(width)::value;
    return with_fitting(context, typename Tiles<D>::List{}, [&](auto tile) {
      using Tile = decltype(tile);
      const int64_t row_tiles = divide_up(x.max_queries * (x.shape.heads / x.shape.kv_heads), Tile::kRows);
      return launch(context, forward<D, Tile::kColumns, decltype(limited)::value>, dim3(row_tiles * x.segment_count, x.shape.kv_heads),
                    dim3(kMmaThreads), Tile::kSharedBytes, x, static_cast<int32_t>(row_tiles));
    });
  };
  return with_mma_width(x.shape.head_width,
                        [&](auto width) { return with_limits(x.shape, [&](auto limited) { return run(width, limited); }); });
}

}  // namespace dpo4j::cuda
