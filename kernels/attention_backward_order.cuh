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
  int32_t heads = 1;
  while (heads < problem.heads_in_flight &&
         (problem.kv_heads % heads != 0 || int64_t{heads} * tiles_without_prefix < problem.at_once + problem.key_tiles)) {
    heads++;
  }
  return heads;
}

// The number of blocks that list tiles: they have a warp for each segment and 32 tiles of keys.
inline __host__ __device__ uint32_t listing_blocks(const Problem& problem) {
  return static_cast<uint32_t>(divide_up(divide_up(problem.key_tiles, kWarp) * problem.segment_count, kPrepareThreads / kWarp));
}

__device__ __forceinline__ int32_t tiles_of(const dpo4j_segment& segment) { return (segment.query_count + kKeys - 1) / kKeys; }

// Called by one warp: counts the tiles of keys of one head and its queries; sets counters to 0.
__device__ __forceinline__ void count_tiles(const Problem& problem, int lane) {
  int32_t tiles = 0, without_prefix = 0, rows = 0;
  for (int32_t s = lane; s < problem.segment_count; s += kWarp) {
    const dpo4j_segment& segment = problem.segments[s];
    tiles += tiles_of(segment);
    without_prefix += segment.prefix_count == 0 ? tiles_of(segment) : 0;
    rows += segment.query_count;
  }
  tiles = warp_sum(tiles);
  without_prefix = warp_sum(without_prefix);
  rows = warp_sum(rows);
  for (int32_t part = lane; part < kParts * problem.kv_heads; part += kWarp) problem.workspace.completed[part] = 0;
  if (lane == 0) {
    *problem.workspace.work = {static_cast<uint32_t>(tiles), heads_together(problem, without_prefix), static_cast<uint32_t>(rows), 0};
  }
}

// The tiles of keys of the segments behind this one in its family, which see its keys or those of its prefix.
__device__ __forceinline__ int32_t tiles_behind(const Problem& problem, int32_t s) {
  int32_t tiles = 0;
  for (int32_t i = s + 1; i < problem.segment_count && problem.segments[i].prefix_count > 0; i++) tiles += tiles_of(problem.segments[i]);
  return tiles;
}

// Called by all threads of the listing blocks: lists the tiles of keys of one head. First come segments without a prefix, then segments with
// one; within each, tiles with more tiles behind them in their segment come first. So long segments start first, and blocks that start last
// take the least time. Tickets go through this list once for the heads in flight (each tile for all of these heads), then once for the next
// heads, and so on. So of two blocks that add to the same d_q, the one that adds first has the lower ticket.
//
// Also finds the places of tiles of queries. Blocks go through the queries of a family from last to first, all families at the same time. So
// the tile with fewer tiles behind it in its family comes first.
//
// A warp computes the positions of 32 tiles of one segment, by counting the tiles of all segments that come before. So a long segment among
// many short ones takes as long as a short one.
__device__ __forceinline__ void list_tiles(const Problem& problem) {
  const int lane = threadIdx.x % kWarp;
  const int64_t warp = int64_t{blockIdx.x} * (kPrepareThreads / kWarp) + threadIdx.x / kWarp;
  const int32_t s = static_cast<int32_t>(warp % problem.segment_count);
  const int64_t first = warp / problem.segment_count * kWarp;
  if (warp == 0) count_tiles(problem, lane);
  if (first >= problem.key_tiles) return;
  if (first == 0 && broken(problem, s)) __trap();
  const dpo4j_segment& own = problem.segments[s];
  const int32_t tiles = tiles_of(own), tile = static_cast<int32_t>(first) + lane;
  if (first >= tiles) return;
  const int32_t left = tiles - tile;  // from this tile to the end of its segment
  const int32_t left_in_family = left + tiles_behind(problem, s);
  uint32_t position = 0, rows_before = 0;
  int32_t behind = 0;  // tiles behind `other` in its family
#pragma unroll 4
  for (int32_t i = problem.segment_count - 1; i >= 0; i--) {
    const dpo4j_segment& other = problem.segments[i];
    const int32_t others = tiles_of(other);
    if ((other.prefix_count > 0) == (own.prefix_count > 0)) {
      position += max(others - left, 0) + (i < s && others >= left ? 1 : 0);
    } else if (other.prefix_count == 0) {
      position += others;
    }
    const int32_t earlier = left_in_family - 1 - behind + (i < s ? 1 : 0);  // how many of its tiles come first, if it has so many
    if (earlier > 0) rows_before += other.query_count - max(others - earlier, 0) * kKeys;
    behind = other.prefix_count > 0 ? behind + others : 0;
  }
  if (left <= 0 || position >= problem.query_rows) return;
  problem.workspace.tiles[position] = static_cast<uint32_t>(tile) * problem.segment_count + s;
  problem.workspace.places[own.query_begin + tile * kKeys] = {rows_before,
                                                              static_cast<uint32_t>(min(own.query_count - tile * kKeys, kKeys))};
}

}  // namespace dpo4j::cuda::attention_backward
