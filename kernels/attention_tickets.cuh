// Which rows a block of attention_forward_sm90a.cu works on, when blocks live as long as there is work: tiles have numbers, and who has done one
// draws the next. A block begins with the number that is its own, so that none waits for a ticket at its start.
//
// Numbers go through segments as they come; within one, through eight key heads at a time, whose keys and values then stay in the second-level
// cache; among these, from the last rows, which see the most keys, to the first: what is begun last is short. Rows that do not exist have
// no number.
#pragma once

#include "attention_mma.cuh"
#include "ring.cuh"

namespace dpo4j::cuda::attention {

constexpr int kHeadsAtOnce = 8;

// What a launch is divided into: ROWS rows of a segment and key head a tile, a row being a query and one of the heads of a group.
struct RowTiles {
  const dpo4j_segment* segments;
  uint32_t* tickets;  // drawn so far
  int32_t segment_count, kv_heads, group;
};

struct RowTile {
  dpo4j_segment segment;
  int32_t kv_head, tile_of_segment;  // the latter below 0: there is none
  __device__ __forceinline__ bool exists() const { return tile_of_segment >= 0; }
};

// A block's way through the numbers, by all lanes of one warp. They only grow, so it goes through the segments once, 32 at a time, one a lane.
template <int ROWS>
class Tickets {
 public:
  __device__ __forceinline__ explicit Tickets(const RowTiles& tiles) : tiles_(tiles), number_(blockIdx.x) { look_at(0); }

  // The tile of this block's number.
  __device__ __forceinline__ RowTile take() {
    RowTile tile{};
    tile.tile_of_segment = -1;
    uint32_t of_all;
    while (number_ - before_ >= (of_all = __shfl_sync(kAllLanes, end_, kWarp - 1))) {
      before_ += of_all;
      if (first_segment_ + kWarp >= tiles_.segment_count) return tile;
      look_at(first_segment_ + kWarp);
    }
    const int lane = __ffs(static_cast<int>(__ballot_sync(kAllLanes, number_ - before_ < end_))) - 1;
    const int32_t begin = __shfl_sync(kAllLanes, static_cast<int32_t>(end_) - row_tiles_ * tiles_.kv_heads, lane);
    const int32_t row_tiles = __shfl_sync(kAllLanes, row_tiles_, lane), place = static_cast<int32_t>(number_ - before_) - begin;
    const int32_t first_head = place / (kHeadsAtOnce * row_tiles) * kHeadsAtOnce, among = place - first_head * row_tiles;
    const int32_t heads = min(kHeadsAtOnce, tiles_.kv_heads - first_head);
    tile = {tiles_.segments[first_segment_ + lane], first_head + among % heads, row_tiles - 1 - among / heads};
    return tile;
  }
  // The next number. Not before there is something to do for it: it may be another block that can begin first.
  __device__ __forceinline__ void draw() {
    number_ = gridDim.x + uniform(lane_index() == 0 ? static_cast<int32_t>(atomicAdd(tiles_.tickets, 1u)) : 0);
  }

 private:
  // Segments from `first` on: how many tiles each has, and all up to and with it.
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
  uint32_t number_, before_ = 0, end_;  // of tiles: of segments before those looked at, and with this lane's among them
  int32_t first_segment_, row_tiles_;
};

// Tiles from the warp that draws them to the block's others.
struct TileRing {
  static constexpr int kStages = 2;
  Ring<kStages> ring;
  RowTile tiles[kStages];

  __device__ __forceinline__ void write(const Place<kStages>& place, const RowTile& tile) {
    barrier_wait(&ring.empty[place.stage], place.parity ^ 1);
    if (lane_index() != 0) return;
    tiles[place.stage] = tile;
    barrier_arrive(&ring.full[place.stage]);
  }
  // The tile at a place, which may be read again until this warp has left it.
  __device__ __forceinline__ RowTile read(const Place<kStages>& place) {
    barrier_wait(&ring.full[place.stage], place.parity);
    const RowTile& tile = tiles[place.stage];
    return {read_segment(&tile.segment), uniform(tile.kv_head), uniform(tile.tile_of_segment)};
  }
  __device__ __forceinline__ void leave(Place<kStages>& place) {
    __syncwarp();
    if (lane_index() == 0) barrier_arrive(&ring.empty[place.stage]);
    place.advance();
  }
};

}  // namespace dpo4j::cuda::attention
