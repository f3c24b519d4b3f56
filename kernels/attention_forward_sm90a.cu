// attention, forward, bf16, head widths 64 and 128, Hopper only (sm_90a): out = softmax(scale q k^T) v over the keys that a query sees, lse
// = log(sum of exp(scale q k)).
//
// The algorithm of attention_forward_mma.cu on WGMMA (wgmma.cuh). A tile has 128 rows (a row is one query and one head of the group). Two
// consumer warpgroups own 64 rows each. A producer warpgroup loads tiles of 128 keys and their values by TMA (tensor_copy.cuh) into rings
// of two stages. Scores and weights stay in registers: a weight, rounded to bf16, is the A operand of its product with the values. A
// consumer issues the products for the scores of one tile of keys, then the product of the previous tile's weights with its values, and
// computes the softmax of the scores while the latter runs. An ordered semaphore lets the two consumers issue products alternately, so that
// one computes exponentials while the products of the other run.
//
// The kernel is persistent: blocks take tiles from a dynamic tile scheduler (attention_tile_scheduler.cuh). The end of one tile overlaps
// with the start of the next. The producer loads keys and values as soon as a stage is free, also those of the next tile. The queries of
// the next tile have a buffer of their own. Consumers load them (cp.async) while they multiply the last values of the current tile and
// store its results.
//
// The keys of the prefix and then the segment's own keys are numbered as one list, and tiles start at key 0 of that list. So the same
// tokens give the same tiles and the same bits, whether the prefix is shared or not. A tile that contains the end of the prefix is not
// contiguous in memory, so the producer gathers it row by row. Masked keys get weight 0 by selection. In tiles with keys that some row of
// the block does not see, values that are not finite are set to 0 before the product, because 0 times them is NaN.
//
// Never materialised: scores, probabilities, repeated key heads. The result of a query depends only on the keys that it sees, not on the
// block that took its tile. Bytes moved: q and out once; k and v once per tile (from L2). Bound by arithmetic: 4 head_width FLOPs per
// visible pair of query and key. Predicted: PERFORMANCE.md. Share of the roofline: not yet measured on a GPU.
#include <algorithm>

#include "attention_sm90a.cuh"
#include "attention_softmax.cuh"
#include "attention_tile_scheduler.cuh"

namespace dpo4j::cuda {
namespace {

using attention::bf16;
using attention::lane_index;
using attention::RowTile;
using attention::RowTiles;
using attention::TileRing;
using attention::warp_index;

constexpr int kKeys = 128;  // of a tile
constexpr int kStages = 2, kConsumers = 2;
constexpr int kQueryStages = 2;  // one is loaded while the other is used, first for queries and then for results
constexpr int kRows = kConsumers * kProductRows, kWarps = kConsumers * kWarpsOfGroup;
constexpr int kThreads = kWarpgroup * (kConsumers + 1);
constexpr int kLoaderWarps = kWarpsOfGroup / 2, kLoaderThreads = kLoaderWarps * kWarp;  // that load keys; as many load values
constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
static_assert(kProducerRegisters + kConsumers * kConsumerRegisters <= launched_registers(kThreads) * (1 + kConsumers),
              "the registers that the block is launched with");

struct Barriers {
  Ring<kStages> keys, values;
  Barrier landed[kStages];      // values are loaded but not yet checked
  Barrier queries[kConsumers];  // of the warps of a warpgroup: the queries are loaded; then, no product reads them any more
  Barrier turns[kConsumers];
  TileRing tiles;                         // of this block
  int32_t hidden[kStages][kLoaderWarps];  // whether a warp replaced values that are not finite
};

template <int D>
constexpr size_t kSharedBytes = kTileAlignment + (kQueryStages * kRows + 2 * kStages * kKeys) * D * sizeof(bf16);
static_assert(kSharedBytes<128> + sizeof(Barriers) + 1024 <= 228 << 10, "the shared memory of an SM, and what the system reserves of it");

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

template <int D>
using Tile = attention::MmaTile<D, 1, kKeys>;
template <int D, bool LIMITED>
using Block = attention::MmaQueryBlock<Tile<D>, dpo4j_attention_forward_params, LIMITED, kWarps>;
template <int D>
using QueryRows = attention::WarpgroupRows<D, kProductRows>;
template <int D>
using KeyRows = attention::WarpgroupRows<D, kKeys>;

template <int D>
struct Shared {
  Barriers& barriers;
  unsigned char* begin;
  __device__ unsigned char* queries(int stage, int group) const { return begin + (stage * kConsumers + group) * QueryRows<D>::kBytes; }
  __device__ unsigned char* keys(int stage) const { return queries(kQueryStages, 0) + stage * KeyRows<D>::kBytes; }
  __device__ unsigned char* values(int stage) const { return keys(kStages + stage); }
};

template <int D, bool LIMITED>
__device__ __forceinline__ Block<D, LIMITED> block_of(const dpo4j_attention_forward_params& x, const RowTiles& tiles, const RowTile& tile) {
  return Block<D, LIMITED>(x, tile.segment, tiles.group, tile.kv_head, tile.tile_of_segment);
}

// ---- producer warpgroup -----------------------------------------------------------------------------------------------------------------

// Whether a tile contains the end of the prefix: then it is not contiguous.
template <int D, bool LIMITED>
__device__ __forceinline__ bool is_split(const Block<D, LIMITED>& block, int32_t first_key) {
  const int32_t prefix_end = block.keys.segment.prefix_count;
  return first_key < prefix_end && first_key + kKeys > prefix_end;
}

// Called by kLoaderThreads threads. Returns when the chunks that this thread copies have arrived.
template <int D, bool LIMITED>
__device__ __forceinline__ void gather(const Block<D, LIMITED>& block, unsigned char* tile, const void* tensor, int32_t first_key,
                                       int thread) {
  KeyRows<D>::template copy<kLoaderThreads>(tile, tensor, thread, [&](int row) { return block.key_offset(first_key + row); });
  cp_async_commit();
  cp_async_wait<0>();
}

template <int D, bool LIMITED>
__device__ __forceinline__ void load(const Block<D, LIMITED>& block, unsigned char* tile, const TileMap& map, Barrier* landed,
                                     int32_t first_key) {
  barrier_arrive_expecting(landed, KeyRows<D>::kBytes);
  KeyRows<D>::load(tile, map, landed, static_cast<int32_t>(block.keys.row(first_key)), block.kv_head * D);
}

// Half of the producer's warps load keys.
template <int D, bool LIMITED>
__device__ __forceinline__ void copy_keys(const Block<D, LIMITED>& block, const TileMap& map, const Shared<D>& shared, int thread,
                                          PipelineState<kStages>& state) {
  Ring<kStages>& ring = shared.barriers.keys;
  for (int32_t first_key = block.template first_tile<kKeys>(); first_key < block.key_end; first_key += kKeys, state.advance()) {
    Barrier* const full = &ring.full[state.stage];
    unsigned char* const tile = shared.keys(state.stage);
    barrier_wait(&ring.empty[state.stage], state.parity ^ 1);
    __syncwarp();  // otherwise a late lane could find the barrier two phases ahead
    if (is_split<D>(block, first_key)) {
      gather<D>(block, tile, block.x.k, first_key, thread);
      fence_async_proxy();
      __syncwarp();
    } else if (thread == 0) {
      load<D>(block, tile, map, full, first_key);
      continue;  // load() has arrived at the barrier for this warp
    }
    if (lane_index() == 0) barrier_arrive(full);
  }
}

// The other half loads values. The product of weight 0 and a masked value must be 0, also if the value is not finite. So values that are
// not finite are replaced by 0 here, and the consumers add them to the rows that see them.
template <int D, bool LIMITED>
__device__ __forceinline__ void copy_values(const Block<D, LIMITED>& block, const TileMap& map, const Shared<D>& shared, int thread,
                                            PipelineState<kStages>& state) {
  Ring<kStages>& ring = shared.barriers.values;
  for (int32_t first_key = block.template first_tile<kKeys>(); first_key < block.key_end; first_key += kKeys, state.advance()) {
    Barrier* const landed = &shared.barriers.landed[state.stage];
    unsigned char* const tile = shared.values(state.stage);
    barrier_wait(&ring.empty[state.stage], state.parity ^ 1);
    const bool is_gathered = is_split<D>(block, first_key), has_masked_keys = !block.block_sees_all(first_key);
    if (is_gathered) {
      gather<D>(block, tile, block.x.v, first_key, thread);
      if (thread == 0) barrier_arrive(landed);
    } else if (thread == 0) {
      load<D>(block, tile, map, landed, first_key);
    }
    barrier_wait(landed, state.parity);
    if (has_masked_keys) {
      const bool found = KeyRows<D>::template hide_not_finite<kLoaderThreads>(tile, thread);
      const bool any_found = __any_sync(kAllLanes, found);
      if (lane_index() == 0) shared.barriers.hidden[state.stage][thread / kWarp] = any_found;
    }
    if (is_gathered || has_masked_keys) fence_async_proxy();
    __syncwarp();
    if (lane_index() == 0) barrier_arrive(&ring.full[state.stage]);
  }
}

// The loop of the producer's warps over tiles. The first of these warps takes the tiles from the scheduler, for the whole block.
template <int D, bool LIMITED, class Copy>
__device__ void copy_tiles(const dpo4j_attention_forward_params& x, const RowTiles& tiles, const Shared<D>& shared, bool is_scheduler,
                           Copy copy) {
  TileRing& ring = shared.barriers.tiles;
  attention::TileScheduler<kRows> scheduler(tiles);
  PipelineState<TileRing::kStages> tile_state;
  PipelineState<kStages> state;
  for (;;) {
    if (is_scheduler) ring.write(tile_state, scheduler.tile());
    const RowTile tile = ring.read(tile_state);
    ring.leave(tile_state);
    if (!tile.exists()) return;
    copy(block_of<D, LIMITED>(x, tiles, tile), state);
    if (is_scheduler) scheduler.fetch_next();
  }
}

// ---- consumer warpgroups ----------------------------------------------------------------------------------------------------------------

// Called when neither this warp nor its products read the stage any more.
__device__ __forceinline__ void release(Ring<kStages>& ring, PipelineState<kStages>& state) {
  if (lane_index() == 0) barrier_arrive(&ring.empty[state.stage]);
  state.advance();
}

__device__ __forceinline__ void wait_for(Ring<kStages>& ring, const PipelineState<kStages>& state) {
  barrier_wait(&ring.full[state.stage], state.parity);
}

// The stage as a value that is uniform in the warp: WGMMA descriptors are computed from it.
__device__ __forceinline__ int stage_at(const PipelineState<kStages>& state) { return uniform(state.stage); }

// The position of a consumer in each pipeline and semaphore.
struct ConsumerState {
  attention::Turns turns;
  attention::Meeting meeting;  // of its own warps
  PipelineState<kStages> keys{}, values{};
  PipelineState<kQueryStages> queries{};
  PipelineState<TileRing::kStages> tiles{};
};

// The 64 rows of a consumer. A step issues the product for the scores of one tile of keys and the product with the values of the previous
// tile.
template <int D, bool LIMITED>
struct Rows {
  const Block<D, LIMITED>& block;
  const Shared<D>& shared;
  Barriers& barriers;
  ConsumerState& state;
  int query_buffer;  // of the queries
  float factor;      // converts scores to base 2
  attention::Softmax<Tile<D>> softmax;
  typename Tile<D>::RowFloats rescale;
  typename Tile<D>::Scores scores;
  typename Tile<D>::Weights weights;
  typename Tile<D>::Output out;

  __device__ __forceinline__ Rows(const Block<D, LIMITED>& block, const Shared<D>& shared, ConsumerState& state, int group)
      : block(block),
        shared(shared),
        barriers(shared.barriers),
        state(state),
        query_buffer(state.queries.stage * kConsumers + group),
        factor(block.x.shape.scale * kLog2E) {
    Tile<D>::clear(out);
  }

  // Issues scores = q k^T. The caller has waited for the stage first and for its turn second. Both arguments are uniform in the warp; the
  // compiler must know that before the turn, because then it computes descriptors in uniform registers.
  __device__ __forceinline__ void multiply_keys(int stage, int buffer) {
    const unsigned char *const keys = shared.keys(stage), *const queries = shared.queries(0, buffer);
#pragma unroll
    for (int step = 0; step < D / kProductDepth; step++) {
      wgmma(attention::flat(scores), QueryRows<D>::columns(queries, step), KeyRows<D>::columns(keys, step), step > 0);
    }
    wgmma_commit();
  }

  // Issues out += weights v.
  __device__ __forceinline__ void multiply_values() {
    const unsigned char* const values = shared.values(stage_at(state.values));
#pragma unroll
    for (int step = 0; step < kKeys / kProductDepth; step++) {
      wgmma<Major::kRows>(attention::flat(out), weights[0][step], KeyRows<D>::rows(values, step), true);
    }
    wgmma_commit();
  }

  // Turns finished scores into weights, still fp32. Returns whether `rescale` rescales the sums so far.
  __device__ __forceinline__ bool weigh(int32_t first_key) {
    wgmma_results(attention::flat(scores));
    release(barriers.keys, state.keys);
    const float positive = attention::positive_factor<Tile<D>, LIMITED>(scores, factor, block.x.shape);
    if (!block.sees_all(first_key)) block.hide(scores, first_key, -INFINITY);
    return softmax.template weigh<LIMITED>(scores, positive, rescale);
  }

  __device__ __forceinline__ void finish_values(int32_t first_key) {
    wgmma_wait<0>();
    wgmma_results(attention::flat(out));
    wgmma_operands(weights[0]);
    if (!block.block_sees_all(first_key)) {
      const int32_t (&hidden)[kLoaderWarps] = barriers.hidden[state.values.stage];
      if ((hidden[0] | hidden[1]) != 0) block.restore_keys(out, block.x.v, first_key);
      __syncwarp();  // all lanes have read the flag
    }
    release(barriers.values, state.values);
  }

  __device__ __forceinline__ void first_step(int32_t tile, int32_t tiles) {
    wait_for(barriers.keys, state.keys);
    const int stage = stage_at(state.keys), buffer = uniform(query_buffer);
    state.turns.take();
    wgmma_fence();
    multiply_keys(stage, buffer);
    state.turns.pass();
    wgmma_wait<0>();
    weigh(tile * kKeys);  // nothing to rescale yet; without a window, every row sees key 0
    if (tile + 1 < tiles) wait_for(barriers.keys, state.keys);
    Tile<D>::to_weights(weights, scores);
  }

  __device__ __forceinline__ void step(int32_t tile, int32_t tiles) {
    const int stage = stage_at(state.keys), buffer = uniform(query_buffer);
    state.turns.take();
    wgmma_operands(weights[0]);
    wgmma_results(attention::flat(out));
    wgmma_fence();
    multiply_keys(stage, buffer);
    wait_for(barriers.values, state.values);
    wgmma_fence();  // the wait starts a new basic block, where the compiler would insert a fence
    multiply_values();
    state.turns.pass();
    wgmma_wait<1>();
    const bool is_rescaled = weigh(tile * kKeys);
    // This wait for the next keys is here and not at the start of the next step, because it is a branch. Without it, the compiler moves the
    // wait for the values product up, past exponentials that should overlap with that product. It does not move it past a branch.
    if (tile + 1 < tiles) wait_for(barriers.keys, state.keys);
    finish_values((tile - 1) * kKeys);
    if (is_rescaled) Tile<D>::scale(out, rescale);
    Tile<D>::to_weights(weights, scores);
  }

  __device__ __forceinline__ void last_values(int32_t tile) {
    wait_for(barriers.values, state.values);
    wgmma_operands(weights[0]);
    wgmma_results(attention::flat(out));
    wgmma_fence();
    multiply_values();
    finish_values(tile * kKeys);
  }

  // Results go through the shared memory of this warpgroup's queries, which are no longer needed.
  __device__ __forceinline__ void write() {
    typename Tile<D>::RowFloats inverse;
    softmax.finish(inverse);
    state.meeting.meet();
    block.write(block.x.out, block.x.shape.out_stride, out, inverse, reinterpret_cast<bf16*>(shared.queries(state.queries.stage, 0)));
    attention::write_lse(block.x, block, softmax);
  }

  // Skips a tile that only rows of the other consumer see. No product synchronises the lanes here, so __syncwarp does: a late lane must not
  // find a barrier two phases ahead.
  __device__ __forceinline__ void pass_over() {
    state.turns.take();
    __syncwarp();
    state.turns.pass();
    wait_for(barriers.keys, state.keys);
    __syncwarp();
    release(barriers.keys, state.keys);
    wait_for(barriers.values, state.values);
    __syncwarp();
    release(barriers.values, state.values);
  }
};

// Called by a consumer warpgroup: starts to load its query rows of a tile, by cp.async.
template <int D, bool LIMITED>
__device__ __forceinline__ void copy_queries(const dpo4j_attention_forward_params& x, const RowTiles& tiles, const RowTile& tile,
                                             const Shared<D>& shared, int stage, int group) {
  if (!tile.exists()) return;
  const Block<D, LIMITED> block = block_of<D, LIMITED>(x, tiles, tile);
  QueryRows<D>::template copy<kWarpgroup>(shared.queries(stage, group), x.q, threadIdx.x % kWarpgroup,
                                          [&](int row) { return block.row_offset(group * kProductRows + row, x.shape.q_stride); });
  cp_async_commit();
}

template <int D, bool LIMITED>
__device__ void attend(const dpo4j_attention_forward_params& x, const RowTiles& tiles, const Shared<D>& shared) {
  const int group = warp_index() / kWarpsOfGroup, group_row = group * kProductRows;
  TileRing& ring = shared.barriers.tiles;
  ConsumerState state{attention::Turns(shared.barriers.turns, kConsumers, group), attention::Meeting(&shared.barriers.queries[group])};
  copy_queries<D, LIMITED>(x, tiles, ring.read(state.tiles), shared, state.queries.stage, group);
  for (;; state.queries.advance()) {
    const RowTile tile = ring.read(state.tiles);
    ring.leave(state.tiles);
    if (!tile.exists()) return;
    const Block<D, LIMITED> block = block_of<D, LIMITED>(x, tiles, tile);
    // Loads the queries of the next tile. Their buffer is free: the results of the previous tile have been stored from it.
    const auto copy_next = [&] { copy_queries<D, LIMITED>(x, tiles, ring.read(state.tiles), shared, state.queries.stage ^ 1, group); };
    cp_async_wait<0>();
    fence_async_proxy();
    state.meeting.meet();

    const int32_t key_tiles = (block.key_end + kKeys - 1) / kKeys;
    const int32_t own = block.exists(group_row) ? block.last_key(group_row + kProductRows - 1) / kKeys + 1 : 0;
    Rows<D, LIMITED> rows(block, shared, state, group);
    // The next tile that this consumer has not passed over. With a window, only rows of the other consumer may see the first tiles.
    int32_t next = LIMITED ? block.template first_tile<kKeys>() / kKeys : 0;
    if (own > 0) {
      if (LIMITED) {
        for (const int32_t first_own = block.first_key(block.last_key(group_row)) / kKeys; next < first_own; next++) rows.pass_over();
      }
      rows.first_step(next, own);
      for (int32_t key_tile = next + 1; key_tile < own; key_tile++) rows.step(key_tile, own);
      copy_next();
      rows.last_values(own - 1);
      rows.write();
      next = own;
    }
    for (int32_t key_tile = next; key_tile < key_tiles; key_tile++) rows.pass_over();
    if (own == 0) copy_next();
  }
}

template <int D, bool LIMITED>
__device__ void attend_tiles(const TileMap& keys, const TileMap& values, const dpo4j_attention_forward_params& x, const RowTiles& tiles) {
  DPO4J_SHARED(Barriers, shared_barriers, [1]);
  DPO4J_DYNAMIC_SHARED(unsigned char, memory);
  const Shared<D> shared{shared_barriers[0], memory + tile_padding(memory)};
  if (threadIdx.x == 0) {
    prefetch_tile_map(keys);
    prefetch_tile_map(values);
    shared.barriers.keys.initialise(kLoaderWarps, kWarps);
    shared.barriers.values.initialise(kLoaderWarps, kWarps);
    shared.barriers.tiles.ring.initialise(1, kWarps + 2 * kLoaderWarps);
    for (Barrier& landed : shared.barriers.landed) barrier_init(&landed, 1);
    for (Barrier& queries : shared.barriers.queries) barrier_init(&queries, kWarpsOfGroup);
    for (Barrier& turn : shared.barriers.turns) barrier_init(&turn, kWarpsOfGroup);
    fence_barrier_init();
  }
  __syncthreads();

  const int producer_warp = warp_index() - kWarps, thread = threadIdx.x % kLoaderThreads;
  if (producer_warp < 0) {
    take_registers<kConsumerRegisters>();
    attend<D, LIMITED>(x, tiles, shared);
  } else {
    give_registers<kProducerRegisters>();
    if (producer_warp < kLoaderWarps) {
      copy_tiles<D, LIMITED>(x, tiles, shared, producer_warp == 0, [&](const Block<D, LIMITED>& block, PipelineState<kStages>& state) {
        copy_keys<D>(block, keys, shared, thread, state);
      });
    } else {
      copy_tiles<D, LIMITED>(x, tiles, shared, false, [&](const Block<D, LIMITED>& block, PipelineState<kStages>& state) {
        copy_values<D>(block, values, shared, thread, state);
      });
    }
  }
}

#endif

// Other architectures compile an empty kernel; has_forward_sm90a() makes sure that it is never launched.
template <int D, bool LIMITED>
__global__ void __launch_bounds__(kThreads, 1) forward(const __grid_constant__ TileMap keys, const __grid_constant__ TileMap values,
                                                       const dpo4j_attention_forward_params x, const RowTiles tiles) {
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  attend_tiles<D, LIMITED>(keys, values, x, tiles);
#endif
}

template <int D, bool LIMITED>
int launch_forward(const LaunchContext& context, const dpo4j_attention_forward_params& x) {
  const int64_t group = x.shape.heads / x.shape.kv_heads,
                max_tiles = divide_up(x.max_queries * group, kRows) * x.segment_count * x.shape.kv_heads;
  if (max_tiles == 0 || x.key_rows == 0) return cudaSuccess;  // a tensor map needs a matrix
  const RowTiles tiles{x.segments, static_cast<uint32_t*>(x.workspace), static_cast<int32_t>(x.segment_count),
                       static_cast<int32_t>(x.shape.kv_heads), static_cast<int32_t>(group)};
  TileMap keys, values;
  int error = encode_tile_map(context, &keys, x.k, x.key_rows, x.shape.kv_heads * D, x.shape.kv_stride, kKeys);
  if (error == cudaSuccess) error = encode_tile_map(context, &values, x.v, x.key_rows, x.shape.kv_heads * D, x.shape.kv_stride, kKeys);
  int blocks = 0;
  if (error == cudaSuccess) error = resident_clusters(&blocks, context, 1, forward<D, LIMITED>, dim3(kThreads), kSharedBytes<D>);
  if (error == cudaSuccess) error = clear(context, tiles.tickets, sizeof(uint32_t));
  if (error != cudaSuccess) return error;
  return launch(context, forward<D, LIMITED>, dim3(std::min<int64_t>(max_tiles, std::max(blocks, 1))), dim3(kThreads), kSharedBytes<D>,
                keys, values, x, tiles);
}

}  // namespace

bool attention::has_forward_sm90a(const LaunchContext& context, int64_t head_width) {
  return (head_width == 64 || head_width == 128) && has_kernel(context, kAttentionForwardSm90a);
}

int attention::forward_sm90a(const LaunchContext& context, const dpo4j_attention_forward_params& x) {
  return with_limits(x.shape, [&](auto limited) {
    constexpr bool kLimited = decltype(limited)::value;
    return x.shape.head_width == 64 ? launch_forward<64, kLimited>(context, x) : launch_forward<128, kLimited>(context, x);
  });
}

}  // namespace dpo4j::cuda
