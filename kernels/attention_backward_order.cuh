// The order in which blocks of attention_backward_sm90a.cu take tiles of keys (a list that one block writes before they start), and how
// many heads are in flight at a time.
#pragma once

#include "attention_backward_sm90a.cuh"

namespace dpo4j::cuda::attention_backward {

constexpr int kPrepareThreads = 256;

// Segments that native/attention.cpp refuses on the CPU. Here they would let a block wait for its turn for ever.
__device__ __forceinline__ bool broken(const Problem& problem, int32_t s) {
  const dpo4j_segment& owner = problem.segments[s];
  if (owner.query_count < 0 || owner.query_count > problem.key_tiles * kKeys) return true;
  if (owner.query_begin < 0 || owner.query_begin > problem.query_rows - owner.query_count) return true;
  if (owner.key_begin != owner.query_begin || owner.key_offset != 0) return true;
  if (owner.prefix_count < 0 || owner.dependents < 0 || owner.dependents >= problem.segment_count - s) return true;
  if (owner.prefix_count > 0) return s == 0 || owner.dependents > 0;
  if (owner.dependents > 0 && owner.query_count == 0) return true;
  const int32_t next = s + 1 + owner.dependents;
  for (int32_t i = s + 1; i < next; i++) {
    if (problem.segments[i].prefix_begin != owner.key_begin || problem.segments[i].prefix_count != owner.query_count) return true;
  }
  return next < problem.segment_count && problem.segments[next].prefix_count > 0;
}

// Heads in flight. With fewer heads, more blocks work on the queries of one head right after each other and find them in L2. But there must
// be enough tiles without a prefix to fill the SMs, and more of them the longer the chain of tiles that start one after another. The
// simulation behind the prediction (PERFORMANCE.md) compared rules on 26 shapes and five models of L2 and memory: this one reaches 0.99 of
// the best number of heads in the mean and 0.87 at worst. All heads at once reach 0.86 and 0.53.
__device__ __forceinline__ uint32_t heads_together(const Problem& problem, int32_t tiles_without_prefix) {
  constexpr int32_t kTilesAtOnce = 100;
  int32_t heads = 1;
  while (heads < problem.kv_heads &&
         (problem.kv_heads % heads != 0 || int64_t{heads} * tiles_without_prefix < kTilesAtOnce + problem.key_tiles)) {
    heads++;
  }
  return heads;
}

// Called by one block. The order of tickets: heads in flight, then the next heads; among these, segments without a prefix, then those with
// one; among these, the first tile of every segment, then the second. So the block that adds first to a tile of queries has the lower
// ticket, and tiles with a longer walk start before shorter ones.
__device__ __forceinline__ void list_tiles(const Problem& problem) {
  constexpr int kWarps = kPrepareThreads / kWarp;
  DPO4J_SHARED(int, of_warps, [kWarps]);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const int64_t candidates = int64_t{problem.key_tiles} * problem.segment_count;
  for (int32_t s = threadIdx.x; s < problem.segment_count; s += kPrepareThreads) {
    if (broken(problem, s)) __trap();
  }
  int32_t listed = 0, without_prefix = 0;
  for (const bool behind_prefix : {false, true}) {
    without_prefix = listed;
    for (int64_t first = 0; first < candidates; first += kPrepareThreads) {
      const int64_t tile = first + threadIdx.x;
      const dpo4j_segment& segment = problem.segments[tile % problem.segment_count];
      const bool exists =
          tile < candidates && (segment.prefix_count > 0) == behind_prefix && tile / problem.segment_count * kKeys < segment.query_count;
      const unsigned of_warp = __ballot_sync(kAllLanes, exists);
      if (lane == 0) of_warps[warp] = __popc(of_warp);
      __syncthreads();
      int32_t place = listed + __popc(of_warp & ((1u << lane) - 1));
      for (int i = 0; i < kWarps; i++) {
        if (i < warp) place += of_warps[i];
        listed += of_warps[i];
      }
      if (exists) problem.workspace.tiles[place] = static_cast<uint32_t>(tile);
      __syncthreads();
    }
  }
  if (threadIdx.x == 0) *problem.workspace.work = {static_cast<uint32_t>(listed), heads_together(problem, without_prefix), 0};
}

}  // namespace dpo4j::cuda::attention_backward
