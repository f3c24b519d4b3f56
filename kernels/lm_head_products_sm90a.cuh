// The products of lm_head_forward and lm_head_exponentials: loads by TMA, WGMMA, and the barriers between them.
//
// A tile is 128 rows by 256 columns. A producer warpgroup loads 64 columns of x and w at a time by TMA into rings of stages
// (tensor_copy.cuh). Two consumer warpgroups with 64 rows each multiply (WGMMA, wgmma.cuh) and then reduce their accumulators. The kernel is
// persistent: blocks take tiles in an order that keeps rows of x in L2 while w streams. The two blocks of a cluster own adjacent row tiles,
// and each loads half of a tile of w for both (TMA multicast). So a block loads 32 KiB from L2 instead of 48 for 64 columns of a tile.
//
// The second consumer starts a tile when the first is four steps of 64 columns ahead; afterwards no barrier synchronises the two. While one
// reduces, the other uses the tensor cores alone and takes 512 clocks per step.
#pragma once

#include "lm_head_forward_sm90a.cuh"

namespace dpo4j::cuda::lm_head_forward {

// Stages of 64 columns. Both consumers read one ring for w. Each also has its own ring for its rows of x. So one consumer may be ahead of
// the other by all stages of w but one.
constexpr int kWeightStages = 5, kHiddenStages = 4;
constexpr int kWeightBytes = kTileVocabulary * kTileRowBytes, kHiddenBytes = kProductRows * kTileRowBytes;  // per stage

constexpr int kConsumers = kTileRows / kProductRows;
constexpr int kThreads = kWarpgroup * (1 + kConsumers);
constexpr int kProducerRegisters = 40, kConsumerRegisters = 232;
static_assert(kProducerRegisters + kConsumers * kConsumerRegisters <= launched_registers(kThreads) * (1 + kConsumers),
              "the registers that the block is launched with");

struct Barriers {
  Ring<kWeightStages> weight;
  Ring<kHiddenStages> hidden[kConsumers];
  Barrier ahead;  // the first consumer is far enough ahead in the tile
};

constexpr size_t kSharedBytes = kTileAlignment + kWeightStages * kWeightBytes + kConsumers * kHiddenStages * kHiddenBytes;
static_assert(kSharedBytes + sizeof(Barriers) + 1024 <= 228 << 10, "the shared memory of an SM, and what the system reserves of it");

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

constexpr int kAhead = kWeightStages - 1;  // steps that the first consumer is ahead at the start of a tile

// The memory of the rings, from its first aligned address.
struct Stages {
  unsigned char* begin;
  __device__ unsigned char* weight(int stage) const { return begin + stage * kWeightBytes; }
  __device__ unsigned char* hidden(int group, int stage) const {
    return begin + kWeightStages * kWeightBytes + (group * kHiddenStages + stage) * kHiddenBytes;
  }
};

// Called by one thread: fills a ring. For each step of each tile, it waits until the stage is free and calls copy(barrier, stage, it,
// step).
template <int STAGES, class Copy>
__device__ void fill(Ring<STAGES>& ring, const Problem& problem, TileIterator it, uint32_t bytes, Copy copy) {
  PipelineState<STAGES> state;
  for (; it.is_valid(); it.advance()) {
    for (int32_t step = 0; step < problem.steps; step++, state.advance()) {
      Barrier* full = &ring.full[state.stage];
      barrier_wait(&ring.empty[state.stage], state.parity ^ 1);
      barrier_arrive_expecting(full, bytes);
      copy(full, state.stage, it, step);
    }
  }
}

// Loads this block's part of each tile of w, for all blocks of the cluster.
template <int CLUSTER>
__device__ void fill_weight(const TileMap& weight, const Problem& problem, Barriers& barriers, const Stages& stages, const TileIterator& it,
                            uint32_t rank) {
  constexpr int kColumns = kTileVocabulary / CLUSTER;
  fill(barriers.weight, problem, it, kWeightBytes, [&](Barrier* full, int stage, const TileIterator& at, int32_t step) {
    const int32_t column = at.vocabulary_tile() * kTileVocabulary + rank * kColumns;
    unsigned char* tile = stages.weight(stage) + rank * kColumns * kTileRowBytes;
    if constexpr (CLUSTER > 1) {
      constexpr uint16_t kAll = (1 << CLUSTER) - 1;
      load_tile_for(kAll, tile, weight, full, column, step * kTileColumns);
    } else {
      load_tile(tile, weight, full, column, step * kTileColumns);
    }
  });
}

// Loads the rows of x of one consumer warpgroup.
template <int CLUSTER>
__device__ void fill_hidden(const TileMap& hidden, const Problem& problem, Barriers& barriers, const Stages& stages, const TileIterator& it,
                            uint32_t rank, int group) {
  fill(barriers.hidden[group], problem, it, kHiddenBytes, [&](Barrier* full, int stage, const TileIterator& at, int32_t step) {
    const int32_t row = (at.row_tile() * CLUSTER + rank) * kTileRows + group * kProductRows;
    load_tile(stages.hidden(group, stage), hidden, full, row, step * kTileColumns);
  });
}

// Called when neither this warp nor its products read these stages any more.
template <int CLUSTER>
__device__ __forceinline__ void release(Barrier* weight, Barrier* hidden, int lane) {
  if constexpr (CLUSTER > 1) {
    if (lane < CLUSTER) barrier_arrive_at(weight, lane);
  } else {
    if (lane == 0) barrier_arrive(weight);
  }
  if (lane == 0) barrier_arrive(hidden);
}

// The position of a consumer in both rings.
struct ConsumerState {
  PipelineState<kWeightStages> weight;
  PipelineState<kHiddenStages> hidden;
};

// d = (64 rows of x) (tile of w)^T. The products of a step are issued before those of the previous step have ended.
template <int CLUSTER, class AfterStep>
__device__ __forceinline__ void multiply(float (&d)[kAccumulators], const Problem& problem, Barriers& barriers, const Stages& stages,
                                         int group, ConsumerState& state, int lane, AfterStep after_step) {
  Ring<kHiddenStages>& hidden = barriers.hidden[group];
  Barrier *last_weight = nullptr, *last_hidden = nullptr;
  for (int32_t step = 0; step < problem.steps; step++, state.weight.advance(), state.hidden.advance()) {
    const int weight_stage = state.weight.stage, hidden_stage = state.hidden.stage;
    barrier_wait(&hidden.full[hidden_stage], state.hidden.parity);
    barrier_wait(&barriers.weight.full[weight_stage], state.weight.parity);
    wgmma_fence();
    uint64_t a = tile_descriptor(shared_address(stages.hidden(group, hidden_stage))),
             b = tile_descriptor(shared_address(stages.weight(weight_stage)));
#pragma unroll
    for (int k = 0; k < kTileColumns / kProductDepth; k++, a += kNextDepth, b += kNextDepth) wgmma(d, a, b, step > 0 || k > 0);
    wgmma_commit();
    wgmma_wait<1>();
    if (step > 0) release<CLUSTER>(last_weight, last_hidden, lane);
    last_weight = &barriers.weight.empty[weight_stage];
    last_hidden = &hidden.empty[hidden_stage];
    after_step(step);
  }
  wgmma_wait<0>();
  wgmma_results(d);
  release<CLUSTER>(last_weight, last_hidden, lane);
}

// The loop of a consumer: multiplies and reduces tile after tile. `group` is 0 or 1.
template <int CLUSTER, class K>
__device__ void multiply_tiles(const Problem& problem, Barriers& barriers, const Stages& stages, TileIterator it, uint32_t rank,
                               int group) {
  const int thread = threadIdx.x % kWarpgroup, warp = thread / kWarp, lane = thread % kWarp;
  const bool has_lead = problem.steps >= kAhead;
  ConsumerState state;
  for (uint32_t tiles = 0; it.is_valid(); it.advance(), tiles++) {
    const int64_t row_of_tile = (int64_t{it.row_tile()} * CLUSTER + rank) * kTileRows + group * kProductRows;
    const Fragment<K> fragment(problem, row_of_tile + warp * 16 + lane / 4, it.vocabulary_tile(), lane);
    if (has_lead && group == 1) barrier_wait(&barriers.ahead, tiles % 2);
    float d[kAccumulators];
    multiply<CLUSTER>(d, problem, barriers, stages, group, state, lane, [&](int32_t step) {
      if (has_lead && group == 0 && step == kAhead - 1 && lane == 0) barrier_arrive(&barriers.ahead);
    });
    if constexpr (K::kTransformed) fragment.transform(d, problem);
    fragment.reduce(d, problem);
  }
}

// The kernel, for clusters of CLUSTER blocks.
template <int CLUSTER, class K>
__device__ void products_of_block(const TileMap& hidden, const TileMap& weight, const Problem& problem) {
  if constexpr (K::kStores) {
    if (problem.stored.repeats != nullptr && *problem.stored.repeats == 0) return;  // every thread of the grid reads the same word
  }
  DPO4J_SHARED(Barriers, shared_barriers, [1]);
  DPO4J_DYNAMIC_SHARED(unsigned char, shared);
  Barriers& barriers = shared_barriers[0];
  const Stages stages{shared + tile_padding(shared)};
  const uint32_t rank = CLUSTER > 1 ? cluster_rank() : 0;

  if (threadIdx.x == 0) {
    prefetch_tile_map(hidden);
    prefetch_tile_map(weight);
    barriers.weight.initialise(1, CLUSTER * kConsumers * kWarpsOfGroup);
    for (auto& ring : barriers.hidden) ring.initialise(1, kWarpsOfGroup);
    barrier_init(&barriers.ahead, kWarpsOfGroup);
    fence_barrier_init();
  }
  if constexpr (CLUSTER > 1) {
    cluster_sync();
  } else {
    __syncthreads();
  }

  const TileIterator it(problem, blockIdx.x / CLUSTER, gridDim.x / CLUSTER);
  if (threadIdx.x < kWarpgroup) {
    give_registers<kProducerRegisters>();
    const int warp = threadIdx.x / kWarp;
    if (threadIdx.x % kWarp == 0) {
      if (warp < kConsumers) fill_hidden<CLUSTER>(hidden, problem, barriers, stages, it, rank, warp);
      if (warp == kConsumers) fill_weight<CLUSTER>(weight, problem, barriers, stages, it, rank);
    }
  } else {
    take_registers<kConsumerRegisters>();
    // The compiler must know that the warpgroup's index is uniform, so that descriptors stay in uniform registers.
    multiply_tiles<CLUSTER, K>(problem, barriers, stages, it, rank, uniform(threadIdx.x / kWarpgroup) - 1);
  }
  if constexpr (CLUSTER > 1) cluster_sync();  // the other block may still multicast into this one's memory and arrive at its barriers
}

#endif

// The number of blocks per cluster for so many rows.
inline int cluster_of(const LaunchContext& context, int64_t rows) { return rows > kTileRows && context.max_cluster_size >= 2 ? 2 : 1; }

// Launches a kernel of products_of_block() for clusters of `cluster` blocks.
template <class... Parameters>
int launch_products(const LaunchContext& context, int cluster, void (*kernel)(Parameters...), const dpo4j_lm_head_forward_params& x,
                    const Problem& problem) {
  TileMap hidden, weight;
  int error = encode_tile_map(context, &hidden, x.hidden, x.rows, x.hidden_width, x.hidden_stride, kProductRows);
  if (error == cudaSuccess) {
    error = encode_tile_map(context, &weight, x.weight, x.vocabulary, x.hidden_width, x.weight_stride, kTileVocabulary / cluster);
  }
  if (error != cudaSuccess) return error;
  int resident = 0;
  error = resident_clusters(&resident, context, cluster, kernel, dim3(kThreads), kSharedBytes);
  if (error != cudaSuccess) return error;
  const int64_t clusters = std::min<int64_t>(int64_t{problem.row_tiles} * problem.vocabulary_tiles, std::max(resident, 1));
  return launch_clusters(context, cluster, kernel, dim3(clusters * cluster), dim3(kThreads), kSharedBytes, hidden, weight, problem);
}

}  // namespace dpo4j::cuda::lm_head_forward
