// Dynamic tile scheduler of attention_forward_sm90a.cu, a persistent kernel: a block fetches the number of its next tile from an atomic
// counter. The first number is the block index, so that no block waits for the counter at its start.
//
// Tiles are numbered segment by segment. Within a segment, key heads come in groups of eight, so that the keys and values of a group stay
// in L2. Within a group, tiles are numbered from the last rows to the first. The last rows see the max number of keys, so the tiles that
// start last take the least time. Tiles without rows have no number.
#pragma once

#include "attention_mma.cuh"
#include "ring.cuh"

namespace dpo4j::cuda::attention {

constexpr int kHeadsAtOnce = 8;

// The tiles of a launch. A tile is ROWS rows of one segment and key head. A row is a query and one head of the group.
struct RowTiles {
  const dpo4j_segment* segments;
  uint32_t* tickets;  // the atomic counter: how many numbers blocks have taken
  int32_t segment_count, kv_heads, group;
};

struct RowTile {
  dpo4j_segment segment;
  int32_t kv_head, tile_of_segment;  // tile_of_segment is negative if there is no tile
  __device__ __forceinline__ bool exists() const { return tile_of_segment >= 0; }
};

// Maps tile numbers to tiles. All lanes of one warp work together. The numbers of a block only grow, so the warp scans the segments once,
// 32 at a time, one per lane.
template <int ROWS>
class TileScheduler {
 public:
  __device__ __forceinline__ explicit TileScheduler(const RowTiles& tiles) : tiles_(tiles), number_(blockIdx.x) { look_at(0); }

  // The tile of this block's number.
  __device__ __forceinline__ RowTile tile() {
    RowTile found{};
    found.tile_of_segment = -1;
    uint32_t in_view;
    while (number_ - before_ >= (in_view = __shfl_sync(kAllLanes, end_, kWarp - 1))) {
      before_ += in_view;
      if (first_segment_ + kWarp >= tiles_.segment_count) return found;
      look_at(first_segment_ + kWarp);
    }
    const int lane = __ffs(static_cast<int>(__ballot_sync(kAllLanes, number_ - before_ < end_))) - 1;
    const int32_t begin = __shfl_sync(kAllLanes, static_cast<int32_t>(end_) - row_tiles_ * tiles_.kv_heads, lane);
    const int32_t row_tiles = __shfl_sync(kAllLanes, row_tiles_, lane), index = static_cast<int32_t>(number_ - before_) - begin;
    const int32_t first_head = index / (kHeadsAtOnce * row_tiles) * kHeadsAtOnce, among = index - first_head * row_tiles;
    const int32_t heads = min(kHeadsAtOnce, tiles_.kv_heads - first_head);
    found = {tiles_.segments[first_segment_ + lane], first_head + among % heads, row_tiles - 1 - among / heads};
    return found;
  }
  // Fetches the next number. Call it only when the block can start the tile. Otherwise a block that is ready earlier would get a later
  // tile.
  __device__ __forceinline__ void fetch_next() {
    number_ = gridDim.x + uniform(lane_index() == 0 ? static_cast<int32_t>(atomicAdd(tiles_.tickets, 1u)) : 0);
  }

 private:
  // For 32 segments from `first` on: the number of tiles of each, and the inclusive prefix sum.
  __device__ __forceinline__ void look_at(int32_t first) {
    first_segment_ = first;
    const int32_t segment = first + lane_index();
    const int32_t rows = segment < tiles_.segment_count ? tiles_.segments[segment].query_count * tiles_.group : 0;
    row_tiles_ = (rows + ROWS - 1) / ROWS;
    end_ = row_tiles_ * tiles_.kv_heads;
#pragma unroll
    for (int distance = 1; distance < kWarp; distance *= 2) {
      const uint32_t other = __shfl_up_sync(kAllLanes, end_, distance);
      if (lane_index() >= distance) end_ += other;
    }
  }

  const RowTiles& tiles_;
  uint32_t number_, before_ = 0, end_;  // counts of tiles: before the current 32 segments; in these, up to this lane's segment
  int32_t first_segment_, row_tiles_;
};

// Passes tiles from the scheduling warp to the other warps of the block.
struct TileRing {
  static constexpr int kStages = 2;
  Ring<kStages> ring;
  RowTile tiles[kStages];

  __device__ __forceinline__ void write(const PipelineState<kStages>& state, const RowTile& tile) {
    barrier_wait(&ring.empty[state.stage], state.parity ^ 1);
    if (lane_index() != 0) return;
    tiles[state.stage] = tile;
    barrier_arrive(&ring.full[state.stage]);
  }
  // The tile in a pipeline stage. It may be read again until this warp releases the stage.
  __device__ __forceinline__ RowTile read(const PipelineState<kStages>& state) {
    barrier_wait(&ring.full[state.stage], state.parity);
    const RowTile& tile = tiles[state.stage];
    return {read_segment(&tile.segment), uniform(tile.kv_head), uniform(tile.tile_of_segment)};
  }
  __device__ __forceinline__ void leave(PipelineState<kStages>& state) {
    __syncwarp();
    if (lane_index() == 0) barrier_arrive(&ring.empty[state.stage]);
    state.advance();
  }
};

}  // namespace dpo4j::cuda::attention
