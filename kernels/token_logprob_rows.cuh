// The rows of a block of the forward kernels of token_logprob, or of a cluster of blocks.
//
// If rows are short, the grid has as many blocks as the device runs at the same time, and each block computes several rows one after
// another. It reads the targets of all its rows at once, and it loads the first tile of the next row before the sums of a row are merged.
// So loads are in flight between rows, and the start of a block is paid once. Rows stay independent: their bits do not depend on the grid.
#pragma once

#include <algorithm>

#include "token_logprob_softmax.cuh"

namespace dpo4j::cuda::token_logprob {

// Row k of a block is row first + k step of the call. Lane k of the first warp reads its target, so a block has at most kMaxRows rows.
constexpr int32_t kMaxRows = kWarp;

struct BlockRows {
  int64_t first, step;
  __device__ int64_t row(int32_t k) const { return first + k * step; }
};

// Lists the rows that a block reads in `listed`, which is in shared memory and has kMaxRows + 1 places, and returns their number. Lane k of the
// first warp gets the logit at the target of row k, as it is stored. `writes`: whether this block writes the results of rows that are not read.
template <class S, class T, class Params>
__device__ __forceinline__ int32_t list_rows(const Params& x, const BlockRows& rows, bool writes, ListedRow* listed, T& at_target) {
  DPO4J_SHARED(int32_t, count, [1]);
  if (threadIdx.x < kWarp) {
    const int32_t lane = static_cast<int32_t>(threadIdx.x);
    const int64_t row = rows.row(lane);
    ListedRow mine{-1, -1, lane};
    bool is_read = false;
    if (row < x.rows) {
      mine.logits_row = logits_row(x, row);
      mine.target = x.targets[row];
      float value;
      is_read = !is_not_read(mine.target, x.vocabulary, value);
      if (is_read) {
        at_target = static_cast<const T*>(x.logits)[mine.logits_row * x.logits_stride + mine.target];
      } else if (writes) {
        write_all<S>(x, row, value);
      }
    }
    const uint32_t read = __ballot_sync(kAllLanes, is_read);
    if (is_read) listed[__popc(read & ((1u << lane) - 1))] = mine;
    if (lane == 0) {
      count[0] = __popc(read);
      listed[__popc(read)].logits_row = -1;
    }
  }
  __syncthreads();
  return count[0];
}

// Whether a block computes several rows. Rows of more than 64 KiB have one block each: there the time between rows is less than a tenth, and
// the hardware distributes many blocks more evenly than a fixed grid.
inline bool has_short_rows(int64_t vocabulary, int64_t element_bytes) { return vocabulary * element_bytes <= 64 << 10; }

// Blocks, or clusters, for so many rows; `resident` is how many the device runs at the same time, or 0 for one per row.
inline int64_t groups_of_rows(int64_t rows, int64_t resident) {
  if (resident == 0) return rows;
  const int64_t groups = resident * divide_up(rows, resident * kMaxRows);
  return std::min(groups, rows);
}

}  // namespace dpo4j::cuda::token_logprob
