// attention, forward, bf16, head widths 64 and 128, on Hopper (sm_90a) alone: out = softmax(scale q k^T) v over the keys a query sees, lse = log(sum of
// exp(scale q k)).
//
// attention_forward_mma.cu's algorithm on products of warpgroups (wgmma.cuh). A block has 128 rows, queries times heads of the group, in two
// warpgroups of 64; a third copies tiles of 128 keys and their values into rings of two stages (tensor_copy.cuh). Scores and weights stay in
// registers, where weights, rounded to bf16, are the left side of their product with values. A warpgroup begins the scores of a tile and then the product
// of the last tile's weights, and computes weights while the second runs; the two warpgroups take turns to begin, so that one's products run while the
// other computes exponentials.
//
// Keys are numbered through the prefix and then the segment's own, in tiles from key 0 on, in every layout: the same tokens give the same tiles and bits.
// A tile with the border inside is not one piece of memory; the warpgroup that copies gathers it row by row. What a tile holds beyond the last key
// that is seen gets the weight 0 by selection, and values there, and all that some row of the block does not see, are made finite first.
//
// Never materialised: scores, probabilities, repeated key heads. A query's numbers depend on the keys it sees alone. Bytes moved: q and out once, k
// and v once for every block (from the second-level cache). Bound by arithmetic: 4 head_width FLOPs a visible pair of query and key. Share of the
// roofline: not yet measured on a GPU.
//
// Predicted for head width 128, causal, 4096 queries: 540 TFLOP/s on H200, between 480 and 600; H100 the same less what its library's products lose.
// A tile and warpgroup take tensor cores 512 clocks for scores and 512 for values (4096 FLOPs a clock); scaling and maximum 200, exponentials 520 (16 a
// clock), the rest 130. A warpgroup that begins at 0 is ready to begin again at 1360; it has its turn at 2048, when the other's products end: tensor
// cores always have work queued. They run at what power allows: the library's large products reach 790 of 989. Shared memory gives 128 bytes a clock,
// of which scores read 96 and copies write 32: a tenth is lost to what that delays, 15 % with the gaps between instructions: 670. A block of 17 tiles,
// 36000 clocks, begins and ends with 3500 in which little is multiplied (segment, queries, first tile; last values, results): less 9 %. Tiles of the
// diagonal hold 3 % that nobody sees, 590. Kernels of this kind have been published at 560 to 590 with blocks that live on and overlap their ends; a
// first one that nobody has run will leave something open: 540.
// Head width 64: 380, between 320 and 440. Tensor cores take 1024 clocks a tile, exponentials 1060, and neither hides behind the other to the end:
// 1250. Ends of blocks are 15 % instead of 9.
// What would show the model wrong: copies that come late to two stages, which tiles of 64 keys in four would show; a turn that costs more than it
// orders; exponentials that a compiler puts behind the wait for values (instructions.sh looks).
#include "attention_sm90a.cuh"
#include "attention_softmax.cuh"

namespace dpo4j::cuda {
namespace {

using attention::bf16;
using attention::kWarpgroup;
using attention::kWarpsOfGroup;
using attention::lane_index;
using attention::warp_index;

constexpr int kKeys = 128;  // of a tile
constexpr int kStages = 2, kGroups = 2;
constexpr int kRows = kGroups * kProductRows, kWarps = kGroups * kWarpsOfGroup;
constexpr int kThreads = kWarpgroup * (kGroups + 1);
constexpr int kValueWarps = kWarpsOfGroup - 1, kValueThreads = kValueWarps * kWarp;  // of the warpgroup that copies
constexpr int kCopyingRegisters = 40, kMultiplyingRegisters = 232;
static_assert(kWarpgroup * (kCopyingRegisters + kGroups * kMultiplyingRegisters) <= 65536, "the registers of a multiprocessor");

struct Barriers {
  Ring<kStages> keys, values;
  Barrier landed[kStages];   // values, before they have been looked at
  Barrier queries[kGroups];  // the rows of a warpgroup are there, and later: have been used
  Barrier turns[kGroups];
  int32_t hidden[kStages][kValueWarps];  // whether a warp took from values what is not finite
};

template <int D>
constexpr size_t kSharedBytes = kTileAlignment + (kRows + 2 * kStages * kKeys) * D * sizeof(bf16);
static_assert(kSharedBytes<128> + sizeof(Barriers) + 1024 <= 228 << 10,
              "the shared memory of a multiprocessor, and what the system reserves of it");

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

template <int D>
using Tile = attention::MmaTile<D, 1, kKeys>;
template <int D>
using Block = attention::MmaQueryBlock<Tile<D>, AttentionForward, kWarps>;
template <int D>
using QueryRows = attention::WarpgroupRows<D, kProductRows>;
template <int D>
using KeyRows = attention::WarpgroupRows<D, kKeys>;

template <int D>
struct Shared {
  Barriers& barriers;
  unsigned char* begin;
  __device__ unsigned char* queries(int group) const { return begin + group * QueryRows<D>::kBytes; }
  __device__ unsigned char* keys(int stage) const { return queries(kGroups) + stage * KeyRows<D>::kBytes; }
  __device__ unsigned char* values(int stage) const { return keys(kStages + stage); }
};

// ---- the warpgroup that copies ------------------------------------------------------------------------------------------------------------

// A tile that begins in the prefix and ends behind it is not in one piece.
template <int D>
__device__ __forceinline__ bool straddles(const Block<D>& block, int32_t first_key) {
  const int32_t border = block.keys.segment.prefix_count;
  return first_key < border && first_key + kKeys > border;
}

// By `THREADS` threads, of which this one's words are there when it returns, for products too.
template <int D, int THREADS>
__device__ __forceinline__ void gather(const Block<D>& block, unsigned char* tile, const void* tensor, int32_t first_key, int thread) {
  KeyRows<D>::template copy<THREADS>(tile, tensor, thread, [&](int row) { return block.key_offset(first_key + row); });
  cp_async_commit();
  cp_async_wait<0>();
}

template <int D>
__device__ __forceinline__ void load(const Block<D>& block, unsigned char* tile, const TileMap& map, Barrier* landed, int32_t first_key) {
  barrier_arrive_expecting(landed, KeyRows<D>::kBytes);
  KeyRows<D>::load(tile, map, landed, static_cast<int32_t>(block.keys.row(first_key)), static_cast<int32_t>(blockIdx.y) * D);
}

// One warp.
template <int D>
__device__ void copy_keys(const Block<D>& block, const TileMap& map, const Shared<D>& shared) {
  Ring<kStages>& ring = shared.barriers.keys;
  Place<kStages> place;
  for (int32_t first_key = 0; first_key < block.key_end; first_key += kKeys, place.advance()) {
    Barrier* const full = &ring.full[place.stage];
    unsigned char* const tile = shared.keys(place.stage);
    barrier_wait(&ring.empty[place.stage], place.parity ^ 1);
    if (!straddles<D>(block, first_key)) {
      if (lane_index() == 0) load<D>(block, tile, map, full, first_key);
      continue;
    }
    gather<D, kWarp>(block, tile, block.x.k, first_key, lane_index());
    fence_async_proxy();
    __syncwarp();
    if (lane_index() == 0) barrier_arrive(full);
  }
}

// The others. Values that some row does not see may be anything, and its weight of 0 times that must be 0: what is not finite is hidden, and the
// warpgroups that multiply add it for the rows that see it.
template <int D>
__device__ void copy_values(const Block<D>& block, const TileMap& map, const Shared<D>& shared, int warp) {
  Ring<kStages>& ring = shared.barriers.values;
  const int thread = warp * kWarp + lane_index();
  Place<kStages> place;
  for (int32_t first_key = 0; first_key < block.key_end; first_key += kKeys, place.advance()) {
    Barrier* const landed = &shared.barriers.landed[place.stage];
    unsigned char* const tile = shared.values(place.stage);
    barrier_wait(&ring.empty[place.stage], place.parity ^ 1);
    const bool gathers = straddles<D>(block, first_key), looks = !block.block_sees_all(first_key);
    if (gathers) {
      gather<D, kValueThreads>(block, tile, block.x.v, first_key, thread);
      if (thread == 0) barrier_arrive(landed);
    } else if (thread == 0) {
      load<D>(block, tile, map, landed, first_key);
    }
    barrier_wait(landed, place.parity);
    if (looks) {
      const bool found = KeyRows<D>::template hide_not_finite<kValueThreads>(tile, thread);
      const bool of_warp = __any_sync(kAllLanes, found);
      if (lane_index() == 0) shared.barriers.hidden[place.stage][warp] = of_warp;
    }
    if (gathers || looks) fence_async_proxy();
    __syncwarp();
    if (lane_index() == 0) barrier_arrive(&ring.full[place.stage]);
  }
}

// ---- the warpgroups that multiply ---------------------------------------------------------------------------------------------------------

template <int D>
struct Rows {
  typename Tile<D>::Scores scores;
  typename Tile<D>::Weights weights;
  typename Tile<D>::Output out;
};

// Begins scores = q k^T.
template <int D>
__device__ __forceinline__ void multiply_keys(Rows<D>& rows, const unsigned char* queries, const unsigned char* keys) {
#pragma unroll
  for (int step = 0; step < D / kProductDepth; step++) {
    wgmma(attention::flat(rows.scores), QueryRows<D>::columns(queries, step), KeyRows<D>::columns(keys, step), step > 0);
  }
  wgmma_commit();
}

// Begins out += weights v.
template <int D>
__device__ __forceinline__ void multiply_values(Rows<D>& rows, const unsigned char* values) {
#pragma unroll
  for (int step = 0; step < kKeys / kProductDepth; step++) {
    wgmma<Major::kRows>(attention::flat(rows.out), rows.weights[0][step], KeyRows<D>::rows(values, step), true);
  }
  wgmma_commit();
}

template <int D>
__device__ __forceinline__ void wait_for_keys(const Shared<D>& shared, const Place<kStages>& place) {
  barrier_wait(&shared.barriers.keys.full[place.stage], place.parity);
}

template <int D>
__device__ __forceinline__ void wait_for_values(const Shared<D>& shared, const Place<kStages>& place) {
  barrier_wait(&shared.barriers.values.full[place.stage], place.parity);
}

// This warp reads the stage no more, nor do its products.
__device__ __forceinline__ void release(Ring<kStages>& ring, Place<kStages>& place) {
  if (lane_index() == 0) barrier_arrive(&ring.empty[place.stage]);
  place.advance();
}

// After the product with a tile of values.
template <int D>
__device__ __forceinline__ void finish_values(Rows<D>& rows, const Block<D>& block, const Shared<D>& shared, Place<kStages>& place,
                                              int32_t first_key) {
  wgmma_wait<0>();
  wgmma_results(attention::flat(rows.out));
  wgmma_operands(rows.weights[0]);
  if (!block.block_sees_all(first_key)) {
    const int32_t(&hidden)[kValueWarps] = shared.barriers.hidden[place.stage];
    if ((hidden[0] | hidden[1] | hidden[2]) != 0) block.restore_keys(rows.out, block.x.v, first_key);
    __syncwarp();  // all lanes have read it
  }
  release(shared.barriers.values, place);
}

template <int D>
__device__ __forceinline__ void scale_and_hide(Rows<D>& rows, const Block<D>& block, int32_t first_key, float factor) {
  attention::scale_scores<Tile<D>>(rows.scores, factor);
  if (!block.sees_all(first_key)) attention::hide_scores<Tile<D>>(rows.scores, block, first_key);
}

template <int D>
__device__ void attend(const Block<D>& block, const Shared<D>& shared) {
  const int group = warp_index() / kWarpsOfGroup, group_row = group * kProductRows;
  Barriers& barriers = shared.barriers;
  unsigned char* const queries = shared.queries(group);
  QueryRows<D>::template copy<kWarpgroup>(queries, block.x.q, threadIdx.x % kWarpgroup,
                                          [&](int row) { return block.row_offset(group_row + row, block.x.q_stride); });
  cp_async_commit();
  cp_async_wait<0>();
  fence_async_proxy();
  attention::meet(&barriers.queries[group], 0);

  const float factor = block.x.scale * attention::kLog2E;
  const int32_t tiles = (block.key_end + kKeys - 1) / kKeys;
  const int32_t own_tiles = block.exists(group_row) ? block.last_key(group_row + kProductRows - 1) / kKeys + 1 : 0;
  attention::Turns turns(barriers.turns, kGroups, group);
  Place<kStages> of_keys, of_values;
  if (own_tiles > 0) {
    Rows<D> rows;
    attention::Softmax<Tile<D>> softmax;
    typename Tile<D>::RowFloats kept;
    Tile<D>::clear(rows.out);

    wait_for_keys<D>(shared, of_keys);
    turns.take();
    wgmma_fence();
    multiply_keys<D>(rows, queries, shared.keys(of_keys.stage));
    turns.pass();
    wgmma_wait<0>();
    wgmma_results(attention::flat(rows.scores));
    release(barriers.keys, of_keys);
    scale_and_hide<D>(rows, block, 0, factor);
    softmax.weigh(rows.scores, kept);  // of nothing: all rows see key 0
    if (own_tiles > 1) wait_for_keys<D>(shared, of_keys);
    Tile<D>::to_weights(rows.weights, rows.scores);

    for (int32_t tile = 1; tile < own_tiles; tile++) {
      const int32_t first_key = tile * kKeys;
      turns.take();
      wgmma_operands(rows.weights[0]);
      wgmma_results(attention::flat(rows.out));
      wgmma_fence();
      multiply_keys<D>(rows, queries, shared.keys(of_keys.stage));
      wait_for_values<D>(shared, of_values);
      wgmma_fence();  // another stretch of code to the compiler, which would put one here
      multiply_values<D>(rows, shared.values(of_values.stage));
      turns.pass();
      wgmma_wait<1>();
      wgmma_results(attention::flat(rows.scores));
      release(barriers.keys, of_keys);
      scale_and_hide<D>(rows, block, first_key, factor);
      const bool moved = softmax.weigh(rows.scores, kept);
      // Here and not where the loop begins: the compiler moves a wait for products up, over exponentials that should run meanwhile, but not over
      // a branch.
      if (tile + 1 < own_tiles) wait_for_keys<D>(shared, of_keys);
      finish_values<D>(rows, block, shared, of_values, first_key - kKeys);
      if (moved) Tile<D>::scale(rows.out, kept);
      Tile<D>::to_weights(rows.weights, rows.scores);
    }

    wait_for_values<D>(shared, of_values);
    wgmma_operands(rows.weights[0]);
    wgmma_results(attention::flat(rows.out));
    wgmma_fence();
    multiply_values<D>(rows, shared.values(of_values.stage));
    finish_values<D>(rows, block, shared, of_values, (own_tiles - 1) * kKeys);

    typename Tile<D>::RowFloats inverse;
    softmax.finish(inverse);
    attention::meet(&barriers.queries[group], 1);  // their memory is free
    block.write(block.x.out, block.x.out_stride, rows.out, inverse, reinterpret_cast<bf16*>(shared.queries(0)));
    attention::write_lse(block.x, block, softmax);
  }
  for (int32_t tile = own_tiles; tile < tiles; tile++) {  // that the other warpgroup's rows see
    turns.take();
    turns.pass();
    wait_for_keys<D>(shared, of_keys);
    release(barriers.keys, of_keys);
    wait_for_values<D>(shared, of_values);
    release(barriers.values, of_values);
  }
}

template <int D>
__device__ void attend_block(const TileMap& keys, const TileMap& values, const AttentionForward& x, int32_t row_tiles) {
  const Block<D> block(x, row_tiles);
  if (block.empty()) return;
  DPO4J_SHARED(Barriers, shared_barriers, [1]);
  DPO4J_DYNAMIC_SHARED(unsigned char, memory);
  const uint32_t misplaced = shared_address(memory) % kTileAlignment;
  const Shared<D> shared{shared_barriers[0], memory + (misplaced == 0 ? 0 : kTileAlignment - misplaced)};
  if (threadIdx.x == 0) {
    prefetch_tile_map(keys);
    prefetch_tile_map(values);
    shared.barriers.keys.initialise(1, kWarps);
    shared.barriers.values.initialise(kValueWarps, kWarps);
    for (Barrier& landed : shared.barriers.landed) barrier_init(&landed, 1);
    for (Barrier& queries : shared.barriers.queries) barrier_init(&queries, kWarpsOfGroup);
    for (Barrier& turn : shared.barriers.turns) barrier_init(&turn, kWarpsOfGroup);
    fence_barrier_init();
  }
  __syncthreads();

  if (warp_index() < kWarps) {
    take_registers<kMultiplyingRegisters>();
    attend<D>(block, shared);
  } else {
    give_registers<kCopyingRegisters>();
    const int warp = warp_index() - kWarps;
    if (warp < kValueWarps) {
      copy_values<D>(block, values, shared, warp);
    } else {
      copy_keys<D>(block, keys, shared);
    }
  }
}

#endif

// Other architectures have the kernel's name and nothing in it; has_forward_sm90a() keeps them from being asked.
template <int D>
__global__ void __launch_bounds__(kThreads, 1) forward(const __grid_constant__ TileMap keys, const __grid_constant__ TileMap values,
                                                       const AttentionForward x, int32_t row_tiles) {
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  attend_block<D>(keys, values, x, row_tiles);
#endif
}

template <int D>
int launch_forward(const Queue& queue, const AttentionForward& x) {
  const int64_t row_tiles = divide_up(x.max_queries * (x.heads / x.kv_heads), kRows);
  if (row_tiles * x.segment_count == 0 || x.key_rows == 0) return cudaSuccess;  // no matrix to make a map of
  TileMap keys, values;
  int error = encode_tile_map(&keys, x.k, x.key_rows, x.kv_heads * D, x.kv_stride, kKeys);
  if (error == cudaSuccess) error = encode_tile_map(&values, x.v, x.key_rows, x.kv_heads * D, x.kv_stride, kKeys);
  if (error != cudaSuccess) return error;
  return launch(queue, forward<D>, dim3(row_tiles * x.segment_count, x.kv_heads), dim3(kThreads), kSharedBytes<D>, keys, values, x,
                static_cast<int32_t>(row_tiles));
}

}  // namespace

bool attention::has_forward_sm90a(const Queue& queue, int64_t head_width) {
  return (head_width == 64 || head_width == 128) && queue.capability == 90 && has_code_for("sm_90a");
}

int attention::forward_sm90a(const Queue& queue, const AttentionForward& x) {
  return x.head_width == 64 ? launch_forward<64>(queue, x) : launch_forward<128>(queue, x);
}

}  // namespace dpo4j::cuda
