// How a block of attention_backward_sm90a.cu adds to d_q: its turns at the ordered semaphore and the bulk reduction. Called by warps of the
// producer warpgroup.
#pragma once

#include "attention_backward_sm90a.cuh"
#include "wgmma.cuh"

namespace dpo4j::cuda::attention_backward {

// Called by one thread before the first addition to a tile of queries, with its position among those of the heads in flight and its number
// of rows: waits until the sums are complete that had these rows before.
__device__ __forceinline__ void wait_for_rows(const Problem& problem, const HeadPositions& positions, uint32_t position, uint32_t rows) {
  const uint32_t end = positions.begin + position + rows;
  if (end <= problem.ring_rows) return;
  const uint32_t before = end - problem.ring_rows, first = before > rows ? before - rows : 0;
  for (uint32_t part = first / positions.part; part * positions.part < before; part++) {
    wait_for_turn(problem.workspace.completed + part, positions.part);
  }
}

// Called by one thread when the sums of a tile of queries have been read for the last time.
__device__ __forceinline__ void complete_rows(const Problem& problem, const HeadPositions& positions, uint32_t position, uint32_t rows) {
  const uint32_t first = positions.begin + position, end = first + rows;
  for (uint32_t part = first / positions.part; part * positions.part < end; part++) {
    const uint32_t begin = part * positions.part;
    add_release(problem.workspace.completed + part, min(end, begin + positions.part) - max(first, begin));
  }
}

// Called by one thread, `it` is at the block's first diagonal step; the last steps of a block are diagonal. Tells the consumers when d_q has
// the sums of all other blocks. This block adds last, so it ends no turn. It completes the rows, also if it alone adds, and without sums. But
// then too only after these rows are free: who waits for it relies on that.
template <int D, class Iterator>
__device__ __forceinline__ void wait_for_sums(const Problem& problem, Shared<D>& shared, Iterator& it) {
  for (uint32_t parity = 0; it.is_valid(); it.advance(), parity ^= 1) {
    const uint32_t turn = it.turn(), position = it.position();
    wait_for_turn(problem.workspace.turns + it.row_index(), turn);
    shared.ring_row = it.ring_row(position);
    barrier_arrive(&shared.turn);
    barrier_wait(&shared.added, parity);
    if (!problem.has_fewer_rows()) continue;
    if (turn == 0) wait_for_rows(problem, it.keys.positions, position, it.count);
    complete_rows(problem, it.keys.positions, position, it.count);
  }
}

// Adds d_q of each step to the sums in the workspace, in this block's turn. Two warps do so, one in even and one in odd steps: it takes
// about 4000 clocks under load to see that the turn has come, to add and to end the turn. The order of steps does not matter, because each
// has sums and a turn of its own. Of two threads that add one after another, the second has seen that the first has ended its turn, which
// it does when its addition is visible. The proxy fence orders the addition behind that.
template <int D, bool LIMITED>
__device__ __forceinline__ void add_in_turns(const Problem& problem, const KeyTile& keys, Shared<D>& shared, const Tiles<D>& tiles,
                                             int stage, int lane) {
  uint32_t step = 0;
  QueryTileIterator<kQueries<D>, LIMITED> it(problem, keys);
  for (; it.is_valid() && !it.is_diagonal(); it.advance(), step++) {
    if (step % kStages != static_cast<uint32_t>(stage)) continue;
    uint32_t* const counter = problem.workspace.turns + it.row_index();
    const uint32_t turn = it.turn();
    const uint32_t position = it.position();
    if (lane == 0 && turn > 0) wait_for_turn(counter, turn);
    if (lane == 0 && turn == 0) wait_for_rows(problem, keys.positions, position, it.count);
    __syncwarp();
    fence_async_proxy();
    if (lane != 0) continue;
    barrier_wait(&shared.d_q[stage], phase(step));
    float* const sums = problem.workspace.d_q + int64_t{it.ring_row(position)} * D;
    const uint32_t bytes = it.count * D * static_cast<uint32_t>(sizeof(float));
    const uint64_t policy = evict_last_policy();
    if (turn == 0) {
      bulk_store(sums, tiles.d_q(), bytes, policy);
    } else {
      bulk_add(sums, tiles.d_q(), bytes, policy);
    }
    bulk_commit();
    bulk_wait_read();
    barrier_arrive(&shared.d_q_read);
    bulk_wait();
    end_turn(counter, turn);
  }
  if (step % kStages == static_cast<uint32_t>(stage) && lane == 0) wait_for_sums(problem, shared, it);
}

}  // namespace dpo4j::cuda::attention_backward
