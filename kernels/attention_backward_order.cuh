// The order in which the blocks of attention_backward_sm90a.cu take tiles of keys, and how many key heads are in flight at a time. One
// block of the first kernel writes the order as a list, before the second kernel starts.
#pragma once

#include "attention_backward_sm90a.cuh"

namespace dpo4j::cuda::attention_backward {

constexpr int kPrepareThreads = 256;

// Whether a segment has fields that native/attention.cpp refuses. It can check only segments in host memory; these are in device memory. A
// kernel that used them could wait for a turn forever.
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

// The number of key heads in flight. With fewer heads, more blocks read the queries of the same head within a short time and find them in
// L2. But the heads in flight must have enough tiles without a prefix to fill the SMs. They need more of them for longer segments, whose
// tiles of keys start one after another. The simulation behind the prediction (PERFORMANCE.md) compared rules on 26 shapes and five models
// of L2 and memory: with this rule, the mean throughput is 0.99 and the min 0.87 of that with the best number of heads. With all heads at
// once it is 0.86 and 0.53.
__device__ __forceinline__ uint32_t heads_together(const Problem& problem, int32_t tiles_without_prefix) {
  constexpr int32_t kTilesAtOnce = 100;
  int32_t heads = 1;
  while (heads < problem.kv_heads &&
         (problem.kv_heads % heads != 0 || int64_t{heads} * tiles_without_prefix < kTilesAtOnce + problem.key_tiles)) {
    heads++;
  }
  return heads;
}

// Called by one block: lists the tiles of keys of one head. First come segments without a prefix, then segments with one; within each, the
// first tile of every segment, then the second, and so on. Tickets go through this list once for the heads in flight (each tile for all of
// these heads), then once for the next heads, and so on. So of two blocks that add to the same d_q, the one that adds first has the lower
// ticket, and tiles with more queries start before tiles with fewer.
__device__ __forceinline__ void list_tiles(const Problem& problem) {
  constexpr int kWarps = kPrepareThreads / kWarp;
  DPO4J_SHARED(int, warp_counts, [kWarps]);
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
      const unsigned ballot = __ballot_sync(kAllLanes, exists);
      if (lane == 0) warp_counts[warp] = __popc(ballot);
      __syncthreads();
      int32_t position = listed + __popc(ballot & ((1u << lane) - 1));
      for (int i = 0; i < kWarps; i++) {
        if (i < warp) position += warp_counts[i];
        listed += warp_counts[i];
      }
      if (exists) problem.workspace.tiles[position] = static_cast<uint32_t>(tile);
      __syncthreads();
    }
  }
  if (threadIdx.x == 0) *problem.workspace.work = {static_cast<uint32_t>(listed), heads_together(problem, without_prefix), 0};
}

}  // namespace dpo4j::cuda::attention_backward
