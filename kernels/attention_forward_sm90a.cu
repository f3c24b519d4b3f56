// attention, forward, bf16, head widths 64 and 128, on Hopper (sm_90a) alone: out = softmax(scale q k^T) v over the keys a query sees,
// lse = log(sum of exp(scale q k)).
//
// attention_forward_mma.cu's algorithm on products of warpgroups (wgmma.cuh). A tile is 128 rows, queries times heads of the group, in two
// warpgroups of 64; a third copies tiles of 128 keys and their values into rings of two stages (tensor_copy.cuh). Scores and weights stay in
// registers, where weights, rounded to bf16, are the left side of their product with values. A warpgroup begins the scores of a tile of keys
// and then the product of the last one's weights, and computes weights while the second runs; the two warpgroups take turns to begin, so that
// one's products run while the other computes exponentials.
//
// Blocks live as long as there are tiles, and draw them (attention_tickets.cuh). What a tile begins and ends with overlaps with its
// neighbours: keys and values are copied as stages become free, whosever they are; queries, into memory of their own, while the last values of
// the tile before are multiplied and its results leave.
//
// Keys are numbered through the prefix and then the segment's own, in tiles from key 0 on, in every layout: the same tokens give the same
// tiles and bits. A tile with the border inside is not one piece of memory; the warpgroup that copies gathers it row by row. What a tile
// holds beyond the last key that is seen gets the weight 0 by selection, and values there, and all that some row of the block does not see,
// are made finite first.
//
// Never materialised: scores, probabilities, repeated key heads. A query's numbers depend on the keys it sees alone, not on the block that
// drew its tile. Bytes moved: q and out once, k and v once for every tile (from the second-level cache). Bound by arithmetic: 4 head_width
// FLOPs a visible pair of query and key. Share of the roofline: not yet measured on a GPU.
//
// Predicted for head width 128, causal, 4096 queries: 590 TFLOP/s on H200, between 530 and 640; H100 the same less what its library's
// products lose. A tile of keys and warpgroup take tensor cores 512 clocks for scores and 512 for values (4096 FLOPs a clock); the maximum
// 140, exponentials 520 (16 a clock), the rest 130. A warpgroup that begins at 0 is ready to begin again at 1300; it has its turn at 2048,
// when the other's products end: tensor cores always have work queued. They run at what power allows: the library's large products reach
// 790 of 989. Shared memory gives 128 bytes a clock, of which scores read 96 and copies write 32: a tenth is lost to what that delays, 15 %
// with the gaps between instructions: 670. Tiles of the diagonal hold 3 % that nobody sees: 650. Of the 36000 clocks of 17 tiles of keys,
// 1100 are left in which little is multiplied, 3 % (results 700, half of the first weights; blocks of one tile each lost 3500): 630. The
// diagonal's values are looked through in 500, before they are wanted. Kernels of this kind have been published at 690 with tickets, at 610
// with a block a tile; a first one that nobody has run will leave something open: 590.
// 1024 queries: 410, between 350 and 460, since results and diagonal are four times as much of it. Sequences of different lengths cost no
// empty blocks.
// Head width 64: 405, between 350 and 450. Tensor cores take 1024 clocks a tile, exponentials 1060 with 540 of other instructions among
// them, and neither hides behind the other to the end: 1200. Results are 5 %.
// What would show the model wrong: copies that come late to two stages, which tiles of 64 keys in four would show; a turn that costs more
// than it orders; exponentials that a compiler puts behind the wait for values (instructions.sh looks); tickets that come late to tiles of
// one or two tiles of keys.
#include <algorithm>

#include "attention_sm90a.cuh"
#include "attention_softmax.cuh"
#include "attention_tickets.cuh"

namespace dpo4j::cuda {
namespace {

using attention::bf16;
using attention::kWarpgroup;
using attention::kWarpsOfGroup;
using attention::lane_index;
using attention::RowTile;
using attention::RowTiles;
using attention::TileRing;
using attention::warp_index;

constexpr int kKeys = 128;  // of a tile
constexpr int kStages = 2, kGroups = 2;
constexpr int kQueryStages = 2;  // a tile's queries arrive while another's results leave by way of its own
constexpr int kRows = kGroups * kProductRows, kWarps = kGroups * kWarpsOfGroup;
constexpr int kThreads = kWarpgroup * (kGroups + 1);
constexpr int kCopyingWarps = kWarpsOfGroup / 2, kCopyingThreads = kCopyingWarps * kWarp;  // for keys, and as many for values
constexpr int kCopyingRegisters = 40, kMultiplyingRegisters = 232;
static_assert(kCopyingRegisters + kGroups * kMultiplyingRegisters <= launched_registers(kThreads) * (1 + kGroups),
              "the registers that the block is launched with");

struct Barriers {
  Ring<kStages> keys, values;
  Barrier landed[kStages];   // values, before they have been looked at
  Barrier queries[kGroups];  // the rows of a warpgroup are there, and later: have been used
  Barrier turns[kGroups];
  TileRing tiles;                          // that the block works on
  int32_t hidden[kStages][kCopyingWarps];  // whether a warp took from values what is not finite
};

template <int D>
constexpr size_t kSharedBytes = kTileAlignment + (kQueryStages * kRows + 2 * kStages * kKeys) * D * sizeof(bf16);
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
  __device__ unsigned char* queries(int stage, int group) const { return begin + (stage * kGroups + group) * QueryRows<D>::kBytes; }
  __device__ unsigned char* keys(int stage) const { return queries(kQueryStages, 0) + stage * KeyRows<D>::kBytes; }
  __device__ unsigned char* values(int stage) const { return keys(kStages + stage); }
};

template <int D>
__device__ __forceinline__ Block<D> block_of(const AttentionForward& x, const RowTiles& tiles, const RowTile& tile) {
  return Block<D>(x, tile.segment, tiles.group, tile.kv_head, tile.tile_of_segment);
}

// ---- the warpgroup that copies ----------------------------------------------------------------------------------------------------------

// A tile that begins in the prefix and ends behind it is not in one piece.
template <int D>
__device__ __forceinline__ bool straddles(const Block<D>& block, int32_t first_key) {
  const int32_t border = block.keys.segment.prefix_count;
  return first_key < border && first_key + kKeys > border;
}

// By kCopyingThreads threads, of which this one's words are there when it returns.
template <int D>
__device__ __forceinline__ void gather(const Block<D>& block, unsigned char* tile, const void* tensor, int32_t first_key, int thread) {
  KeyRows<D>::template copy<kCopyingThreads>(tile, tensor, thread, [&](int row) { return block.key_offset(first_key + row); });
  cp_async_commit();
  cp_async_wait<0>();
}

template <int D>
__device__ __forceinline__ void load(const Block<D>& block, unsigned char* tile, const TileMap& map, Barrier* landed, int32_t first_key) {
  barrier_arrive_expecting(landed, KeyRows<D>::kBytes);
  KeyRows<D>::load(tile, map, landed, static_cast<int32_t>(block.keys.row(first_key)), block.kv_head * D);
}

// Half of the warps.
template <int D>
__device__ __forceinline__ void copy_keys(const Block<D>& block, const TileMap& map, const Shared<D>& shared, int thread,
                                          Place<kStages>& place) {
  Ring<kStages>& ring = shared.barriers.keys;
  for (int32_t first_key = 0; first_key < block.key_end; first_key += kKeys, place.advance()) {
    Barrier* const full = &ring.full[place.stage];
    unsigned char* const tile = shared.keys(place.stage);
    barrier_wait(&ring.empty[place.stage], place.parity ^ 1);
    __syncwarp();  // none that comes late finds the barrier two phases further
    if (straddles<D>(block, first_key)) {
      gather<D>(block, tile, block.x.k, first_key, thread);
      fence_async_proxy();
      __syncwarp();
    } else if (thread == 0) {
      load<D>(block, tile, map, full, first_key);
      continue;  // that was this warp's arrival
    }
    if (lane_index() == 0) barrier_arrive(full);
  }
}

// The other half. Values that some row does not see may be anything, and its weight of 0 times that must be 0: what is not finite is
// hidden, and the warpgroups that multiply add it for the rows that see it.
template <int D>
__device__ __forceinline__ void copy_values(const Block<D>& block, const TileMap& map, const Shared<D>& shared, int thread,
                                            Place<kStages>& place) {
  Ring<kStages>& ring = shared.barriers.values;
  for (int32_t first_key = 0; first_key < block.key_end; first_key += kKeys, place.advance()) {
    Barrier* const landed = &shared.barriers.landed[place.stage];
    unsigned char* const tile = shared.values(place.stage);
    barrier_wait(&ring.empty[place.stage], place.parity ^ 1);
    const bool gathers = straddles<D>(block, first_key), looks = !block.block_sees_all(first_key);
    if (gathers) {
      gather<D>(block, tile, block.x.v, first_key, thread);
      if (thread == 0) barrier_arrive(landed);
    } else if (thread == 0) {
      load<D>(block, tile, map, landed, first_key);
    }
    barrier_wait(landed, place.parity);
    if (looks) {
      const bool found = KeyRows<D>::template hide_not_finite<kCopyingThreads>(tile, thread);
      const bool of_warp = __any_sync(kAllLanes, found);
      if (lane_index() == 0) shared.barriers.hidden[place.stage][thread / kWarp] = of_warp;
    }
    if (gathers || looks) fence_async_proxy();
    __syncwarp();
    if (lane_index() == 0) barrier_arrive(&ring.full[place.stage]);
  }
}

// Tile after tile. The first of these warps draws them for the block.
template <int D, class Copy>
__device__ void copy_tiles(const AttentionForward& x, const RowTiles& tiles, const Shared<D>& shared, bool draws, Copy copy) {
  TileRing& ring = shared.barriers.tiles;
  attention::Tickets<kRows> tickets(tiles);
  Place<TileRing::kStages> place_of_tile;
  Place<kStages> place;
  for (;;) {
    if (draws) ring.write(place_of_tile, tickets.take());
    const RowTile tile = ring.read(place_of_tile);
    ring.leave(place_of_tile);
    if (!tile.exists()) return;
    copy(block_of<D>(x, tiles, tile), place);
    if (draws) tickets.draw();
  }
}

// ---- the warpgroups that multiply -------------------------------------------------------------------------------------------------------

// This warp reads the stage no more, nor do its products.
__device__ __forceinline__ void release(Ring<kStages>& ring, Place<kStages>& place) {
  if (lane_index() == 0) barrier_arrive(&ring.empty[place.stage]);
  place.advance();
}

__device__ __forceinline__ void wait_for(Ring<kStages>& ring, const Place<kStages>& place) {
  barrier_wait(&ring.full[place.stage], place.parity);
}

// The stage as the warp's and not each lane's: descriptors of products are computed from it.
__device__ __forceinline__ int stage_at(const Place<kStages>& place) { return attention::uniform(place.stage); }

// Where a warpgroup is in what it shares with the others.
struct Position {
  attention::Turns turns;
  attention::Meeting meeting;  // of its own warps
  Place<kStages> of_keys{}, of_values{};
  Place<kQueryStages> of_queries{};
  Place<TileRing::kStages> of_tiles{};
};

// What a warpgroup holds of its 64 rows. A step begins the scores of one tile and the values of the tile before.
template <int D>
struct Rows {
  const Block<D>& block;
  const Shared<D>& shared;
  Barriers& barriers;
  Position& at;
  const unsigned char* queries;
  float factor;  // of scores, to base 2
  attention::Softmax<Tile<D>> softmax;
  typename Tile<D>::RowFloats kept;
  typename Tile<D>::Scores scores;
  typename Tile<D>::Weights weights;
  typename Tile<D>::Output out;

  __device__ __forceinline__ Rows(const Block<D>& block, const Shared<D>& shared, Position& at, int group)
      : block(block),
        shared(shared),
        barriers(shared.barriers),
        at(at),
        queries(shared.queries(stage_at(at.of_queries), group)),
        factor(block.x.scale * attention::kLog2E) {
    Tile<D>::clear(out);
  }

  // Begins scores = q k^T. The stage is asked for before a turn that is waited for.
  __device__ __forceinline__ void multiply_keys(int stage) {
    const unsigned char* const keys = shared.keys(stage);
#pragma unroll
    for (int step = 0; step < D / kProductDepth; step++) {
      wgmma(attention::flat(scores), QueryRows<D>::columns(queries, step), KeyRows<D>::columns(keys, step), step > 0);
    }
    wgmma_commit();
  }

  // Begins out += weights v.
  __device__ __forceinline__ void multiply_values() {
    const unsigned char* const values = shared.values(stage_at(at.of_values));
#pragma unroll
    for (int step = 0; step < kKeys / kProductDepth; step++) {
      wgmma<Major::kRows>(attention::flat(out), weights[0][step], KeyRows<D>::rows(values, step), true);
    }
    wgmma_commit();
  }

  // Scores, which are done, become weights, still fp32; whether `kept` changes sums so far.
  __device__ __forceinline__ bool weigh(int32_t first_key) {
    wgmma_results(attention::flat(scores));
    release(barriers.keys, at.of_keys);
    const float positive = attention::positive_factor<Tile<D>>(scores, factor);
    if (!block.sees_all(first_key)) block.hide(scores, first_key, -INFINITY);
    return softmax.weigh(scores, positive, kept);
  }

  __device__ __forceinline__ void finish_values(int32_t first_key) {
    wgmma_wait<0>();
    wgmma_results(attention::flat(out));
    wgmma_operands(weights[0]);
    if (!block.block_sees_all(first_key)) {
      const int32_t (&hidden)[kCopyingWarps] = barriers.hidden[at.of_values.stage];
      if ((hidden[0] | hidden[1]) != 0) block.restore_keys(out, block.x.v, first_key);
      __syncwarp();  // all lanes have read it
    }
    release(barriers.values, at.of_values);
  }

  __device__ __forceinline__ void first_step(int32_t tiles) {
    wait_for(barriers.keys, at.of_keys);
    const int stage = stage_at(at.of_keys);
    at.turns.take();
    wgmma_fence();
    multiply_keys(stage);
    at.turns.pass();
    wgmma_wait<0>();
    weigh(0);  // no sums so far: all rows see key 0
    if (tiles > 1) wait_for(barriers.keys, at.of_keys);
    Tile<D>::to_weights(weights, scores);
  }

  __device__ __forceinline__ void step(int32_t tile, int32_t tiles) {
    const int stage = stage_at(at.of_keys);
    at.turns.take();
    wgmma_operands(weights[0]);
    wgmma_results(attention::flat(out));
    wgmma_fence();
    multiply_keys(stage);
    wait_for(barriers.values, at.of_values);
    wgmma_fence();  // another stretch of code to the compiler, which would put one here
    multiply_values();
    at.turns.pass();
    wgmma_wait<1>();
    const bool moved = weigh(tile * kKeys);
    // Here and not where a step begins: the compiler moves a wait for products up, over exponentials that should run meanwhile, but not
    // over a branch.
    if (tile + 1 < tiles) wait_for(barriers.keys, at.of_keys);
    finish_values((tile - 1) * kKeys);
    if (moved) Tile<D>::scale(out, kept);
    Tile<D>::to_weights(weights, scores);
  }

  __device__ __forceinline__ void last_values(int32_t tile) {
    wait_for(barriers.values, at.of_values);
    wgmma_operands(weights[0]);
    wgmma_results(attention::flat(out));
    wgmma_fence();
    multiply_values();
    finish_values(tile * kKeys);
  }

  // By way of the memory of this warpgroup's queries, which are used no more.
  __device__ __forceinline__ void write() {
    typename Tile<D>::RowFloats inverse;
    softmax.finish(inverse);
    at.meeting.meet();
    block.write(block.x.out, block.x.out_stride, out, inverse, reinterpret_cast<bf16*>(shared.queries(at.of_queries.stage, 0)));
    attention::write_lse(block.x, block, softmax);
  }

  // A tile that only the other warpgroup's rows see. No product keeps the lanes together here: one that comes late to a barrier must not find
  // it two phases further.
  __device__ __forceinline__ void pass_over() {
    at.turns.take();
    __syncwarp();
    at.turns.pass();
    wait_for(barriers.keys, at.of_keys);
    __syncwarp();
    release(barriers.keys, at.of_keys);
    wait_for(barriers.values, at.of_values);
    __syncwarp();
    release(barriers.values, at.of_values);
  }
};

// Begins to copy a tile's rows of this warpgroup.
template <int D>
__device__ __forceinline__ void copy_queries(const AttentionForward& x, const RowTiles& tiles, const RowTile& tile, const Shared<D>& shared,
                                             int stage, int group) {
  if (!tile.exists()) return;
  const Block<D> block = block_of<D>(x, tiles, tile);
  QueryRows<D>::template copy<kWarpgroup>(shared.queries(stage, group), x.q, threadIdx.x % kWarpgroup,
                                          [&](int row) { return block.row_offset(group * kProductRows + row, x.q_stride); });
  cp_async_commit();
}

template <int D>
__device__ void attend(const AttentionForward& x, const RowTiles& tiles, const Shared<D>& shared) {
  const int group = warp_index() / kWarpsOfGroup, group_row = group * kProductRows;
  TileRing& ring = shared.barriers.tiles;
  Position at{attention::Turns(shared.barriers.turns, kGroups, group), attention::Meeting(&shared.barriers.queries[group])};
  copy_queries(x, tiles, ring.read(at.of_tiles), shared, at.of_queries.stage, group);
  for (;; at.of_queries.advance()) {
    const RowTile tile = ring.read(at.of_tiles);
    ring.leave(at.of_tiles);
    if (!tile.exists()) return;
    const Block<D> block = block_of<D>(x, tiles, tile);
    // The next tile's queries, for which nobody waits then. Where they go, the last but one tile's results have left.
    const auto copy_next = [&] { copy_queries(x, tiles, ring.read(at.of_tiles), shared, at.of_queries.stage ^ 1, group); };
    cp_async_wait<0>();
    fence_async_proxy();
    at.meeting.meet();

    const int32_t key_tiles = (block.key_end + kKeys - 1) / kKeys;
    const int32_t own = block.exists(group_row) ? block.last_key(group_row + kProductRows - 1) / kKeys + 1 : 0;
    Rows<D> rows(block, shared, at, group);
    if (own > 0) {
      rows.first_step(own);
      for (int32_t key_tile = 1; key_tile < own; key_tile++) rows.step(key_tile, own);
      copy_next();
      rows.last_values(own - 1);
      rows.write();
    }
    for (int32_t key_tile = own; key_tile < key_tiles; key_tile++) rows.pass_over();
    if (own == 0) copy_next();
  }
}

template <int D>
__device__ void attend_tiles(const TileMap& keys, const TileMap& values, const AttentionForward& x, const RowTiles& tiles) {
  DPO4J_SHARED(Barriers, shared_barriers, [1]);
  DPO4J_DYNAMIC_SHARED(unsigned char, memory);
  const uint32_t misplaced = shared_address(memory) % kTileAlignment;
  const Shared<D> shared{shared_barriers[0], memory + (misplaced == 0 ? 0 : kTileAlignment - misplaced)};
  if (threadIdx.x == 0) {
    prefetch_tile_map(keys);
    prefetch_tile_map(values);
    shared.barriers.keys.initialise(kCopyingWarps, kWarps);
    shared.barriers.values.initialise(kCopyingWarps, kWarps);
    shared.barriers.tiles.ring.initialise(1, kWarps + 2 * kCopyingWarps);
    for (Barrier& landed : shared.barriers.landed) barrier_init(&landed, 1);
    for (Barrier& queries : shared.barriers.queries) barrier_init(&queries, kWarpsOfGroup);
    for (Barrier& turn : shared.barriers.turns) barrier_init(&turn, kWarpsOfGroup);
    fence_barrier_init();
  }
  __syncthreads();

  const int copying_warp = warp_index() - kWarps, thread = threadIdx.x % kCopyingThreads;
  if (copying_warp < 0) {
    take_registers<kMultiplyingRegisters>();
    attend<D>(x, tiles, shared);
  } else {
    give_registers<kCopyingRegisters>();
    if (copying_warp < kCopyingWarps) {
      copy_tiles<D>(x, tiles, shared, copying_warp == 0,
                    [&](const Block<D>& block, Place<kStages>& place) { copy_keys<D>(block, keys, shared, thread, place); });
    } else {
      copy_tiles<D>(x, tiles, shared, false,
                    [&](const Block<D>& block, Place<kStages>& place) { copy_values<D>(block, values, shared, thread, place); });
    }
  }
}

#endif

// Other architectures have the kernel's name and nothing in it; has_forward_sm90a() keeps them from being asked.
template <int D>
__global__ void __launch_bounds__(kThreads, 1)
    forward(const __grid_constant__ TileMap keys, const __grid_constant__ TileMap values, const AttentionForward x, const RowTiles tiles) {
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  attend_tiles<D>(keys, values, x, tiles);
#endif
}

template <int D>
int launch_forward(const Queue& queue, const AttentionForward& x) {
  const int64_t group = x.heads / x.kv_heads, most_tiles = divide_up(x.max_queries * group, kRows) * x.segment_count * x.kv_heads;
  if (most_tiles == 0 || x.key_rows == 0) return cudaSuccess;  // no matrix to make a map of
  const RowTiles tiles{x.segments, x.workspace, static_cast<int32_t>(x.segment_count), static_cast<int32_t>(x.kv_heads),
                       static_cast<int32_t>(group)};
  TileMap keys, values;
  int error = encode_tile_map(queue, &keys, x.k, x.key_rows, x.kv_heads * D, x.kv_stride, kKeys);
  if (error == cudaSuccess) error = encode_tile_map(queue, &values, x.v, x.key_rows, x.kv_heads * D, x.kv_stride, kKeys);
  int blocks = 0;
  if (error == cudaSuccess) error = resident_clusters(&blocks, queue, 1, forward<D>, dim3(kThreads), kSharedBytes<D>);
  if (error == cudaSuccess) error = clear(queue, tiles.tickets, sizeof(uint32_t));
  if (error != cudaSuccess) return error;
  return launch(queue, forward<D>, dim3(std::min<int64_t>(most_tiles, std::max(blocks, 1))), dim3(kThreads), kSharedBytes<D>, keys, values,
                x, tiles);
}

}  // namespace

bool attention::has_forward_sm90a(const Queue& queue, int64_t head_width) {
  return (head_width == 64 || head_width == 128) && has_kernel(queue, kAttentionForwardSm90a);
}

int attention::forward_sm90a(const Queue& queue, const AttentionForward& x) {
  return x.head_width == 64 ? launch_forward<64>(queue, x) : launch_forward<128>(queue, x);
}

}  // namespace dpo4j::cuda
