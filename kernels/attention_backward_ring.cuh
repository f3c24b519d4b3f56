// attention_backward_sm90a.cu keeps the fp32 sums of d_q in a ring buffer. It has rows for the heads in flight and an eighth more, not for all
// heads.
//
// Blocks take the tiles of keys of a few key heads, then those of the next ones (attention_backward_order.cuh). Every row of every query
// head has a position. The positions of the heads in flight come first, then those of the next heads, and so on. Among heads in flight, the
// tiles of queries to which blocks add first come first, and the rows of a tile are adjacent for all these heads. A position's row in the
// ring is the position modulo the number of rows. So several positions use a row of the ring, one after another.
//
// The block that adds last to a tile of queries reads its sums, and then counts its positions as complete. There is a counter for each part
// of the positions, a thirty-second of those of the heads in flight. The block that adds first to a tile stores its addend, so no row is
// cleared. But it first waits until the earlier positions of the same rows are complete. These belong to earlier heads, whose blocks have lower
// tickets. So a block waits only for blocks that have started. An element has the same additions as
// without the ring, in the same order, and so the same bits.
//
// With the eighth, blocks hardly ever wait: PERFORMANCE.md, "Changes predicted from counts".
#pragma once

#include <algorithm>

#include "portable.cuh"

namespace dpo4j::cuda::attention_backward {

constexpr int kPlacedRows = 128;  // of a tile whose rows are adjacent
constexpr int kParts = 32;        // of the positions of the heads in flight

// The number of blocks in flight for which the ring is sized. It is a constant, not the number of SMs, so that all Hopper GPUs need the same
// memory.
// Tests that limit resident blocks use 1, and get the smallest ring.
constexpr int32_t kBlocksAtOnce = 100;

struct RingSize {
  int64_t rows;     // as many as all heads have, or fewer
  int32_t heads;    // the max number of key heads in flight, a divisor of kv_heads
  int32_t at_once;  // blocks that can start at once
};

// The key heads in flight have at least four times at_once tiles of keys, if all key heads have so many. Four times, because the tiles of
// completions wait for those of their prompt. In many data sets a quarter of all tiles are those of prompts, and these should fill the SMs.
inline RingSize ring_size(const LaunchContext& context, int64_t query_rows, const dpo4j_attention_shape& shape) {
  const int32_t at_once = context.resident_clusters > 0 ? 1 : kBlocksAtOnce;
  const int64_t tiles = divide_up(query_rows, kPlacedRows);
  int64_t in_flight = 1;
  while (in_flight < shape.kv_heads && (shape.kv_heads % in_flight != 0 || in_flight * tiles < 4 * at_once)) in_flight++;
  const int64_t rows = query_rows * (shape.heads / shape.kv_heads) * in_flight;
  return {std::min(rows + divide_up(rows, 8), query_rows * shape.heads), static_cast<int32_t>(in_flight), at_once};
}

// Of a tile of up to kPlacedRows queries: the rows of the tiles before it, and its own. Both count the rows of one head.
struct TilePlace {
  uint32_t before, rows;
};

// The positions of one key head. There are fewer than 2^31 positions: a GPU has no memory for more.
struct HeadPositions {
  uint32_t begin;              // of the heads in flight: how many positions earlier heads have
  uint32_t ring_begin;         // the same modulo the rows of the ring
  uint32_t heads, first_head;  // query heads in flight, and which of these is the first of this key head
  uint32_t part;               // how many positions a part has
};

}  // namespace dpo4j::cuda::attention_backward
