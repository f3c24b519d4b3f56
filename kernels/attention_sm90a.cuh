// Tiles of attention for Hopper: bf16 in shared memory as the copy engine (tensor_copy.cuh) and products of warpgroups (wgmma.cuh) have
// them.
//
// Of a warpgroup's product each warp owns 16 rows, in the very fragments that mma.sync would give it: so MmaTile<D, 1, COLUMNS> of
// attention_mma.cuh says which rows and columns a thread holds, turns scores into weights, and writes results.
#pragma once

#include "attention_mma.cuh"
#include "ring.cuh"
#include "wgmma.cuh"

namespace dpo4j::cuda::attention {

constexpr int kWarpgroup = 128, kWarpsOfGroup = kWarpgroup / kWarp;

// Fragments as products of warpgroups name them.
template <class Fragment>
__device__ __forceinline__ float (&flat(Fragment& fragment))[sizeof(Fragment) / sizeof(float)] {
  return reinterpret_cast<float (&)[sizeof(Fragment) / sizeof(float)]>(fragment);
}

// ROWS rows of D columns in shared memory: a tile of the copy engine for every 64 columns, one after the other.
template <int D, int ROWS>
struct WarpgroupRows {
  static constexpr int kParts = D / kTileColumns, kPartBytes = ROWS * kTileRowBytes, kBytes = kParts * kPartBytes;
  static constexpr int kWords = kBytes / 16, kWordsOfRow = kTileRowBytes / 16;
  static_assert(D % kTileColumns == 0 && kPartBytes % kTileAlignment == 0, "whole tiles");

  // By one thread: ROWS rows from `row` on, D columns from `column` on. The barrier counts kBytes.
  static __device__ __forceinline__ void load(unsigned char* rows, const TileMap& map, Barrier* landed, int32_t row, int32_t column) {
#pragma unroll
    for (int part = 0; part < kParts; part++) load_tile(rows + part * kPartBytes, map, landed, row, column + part * kTileColumns);
  }

  // The same by THREADS threads, row by row: row i from tensor + offset(i), or zeros where that is negative. Each thread begins to copy its
  // words, every THREADS-th.
  template <int THREADS, class Offset>
  static __device__ __forceinline__ void copy(unsigned char* rows, const void* tensor, int thread, Offset offset) {
    const bf16* const from = static_cast<const bf16*>(tensor);
#pragma unroll 4
    for (int word = thread; word < kWords; word += THREADS) {
      const int row = word / kWordsOfRow % ROWS, column = word / (ROWS * kWordsOfRow) * kTileColumns + (word ^ row) % kWordsOfRow * 8;
      const int64_t begin = offset(row);
      cp_async_16(rows + word * 16, begin < 0 ? from : from + begin + column, begin >= 0);
    }
  }

  // Makes what is not finite in this thread's words 0, and says whether there was any. They are all looked at first, some at a time, since
  // hardly ever is one to be changed: nothing waits for a single word.
  template <int THREADS>
  static __device__ __forceinline__ bool hide_not_finite(unsigned char* rows, int thread) {
    constexpr int kAtOnce = 8;
    static_assert(kWords % (kAtOnce * THREADS) == 0, "every thread has as many words");
    uint4* const words = reinterpret_cast<uint4*>(rows) + thread;
    uint32_t sums = 0;
#pragma unroll 1
    for (int first = 0; first < kWords; first += kAtOnce * THREADS) {
      uint4 x[kAtOnce];
#pragma unroll
      for (int i = 0; i < kAtOnce; i++) x[i] = words[first + i * THREADS];
#pragma unroll
      for (int i = 0; i < kAtOnce; i++) {
        sums |= add_to_exponents(x[i].x) | add_to_exponents(x[i].y) | add_to_exponents(x[i].z) | add_to_exponents(x[i].w);
      }
    }
    if ((sums & kCarries) == 0) return false;
    for (int word = 0; word < kWords; word += THREADS) attention::hide_not_finite(words + word);
    return true;
  }

  // 16 columns, the step-th, of all rows, as the depth of a product: the operand of scores.
  static __device__ __forceinline__ uint64_t columns(const unsigned char* rows, int step) {
    constexpr int kSteps = kTileColumns / kProductDepth;
    return tile_descriptor(shared_address(rows + step / kSteps * kPartBytes)) + step % kSteps * kNextDepth;
  }

  // 16 rows, the step-th, as the depth, of all columns: the operand that weights multiply.
  static __device__ __forceinline__ uint64_t rows(const unsigned char* rows, int step) {
    return transposed_descriptor(shared_address(rows), kPartBytes) + step * kNextTransposedDepth;
  }
};

// Warpgroups that take turns: each waits for its own, and passes it to the next. So products of one run while another does something else.
class Turns {
 public:
  // The barriers count a warpgroup's warps, one a warpgroup. The first has its first turn.
  __device__ __forceinline__ Turns(Barrier* barriers, int groups, int group)
      : own_(barriers + group), next_(barriers + (group + 1) % groups), parity_(group == 0 ? 1 : 0) {}
  __device__ __forceinline__ void take() {
    barrier_wait(own_, parity_);
    parity_ ^= 1;
  }
  __device__ __forceinline__ void pass() {
    if (lane_index() == 0) barrier_arrive(next_);
  }

 private:
  Barrier *own_, *next_;
  uint32_t parity_;
};

// Where the warps of a warpgroup meet, each with what its lanes stored before. The barrier counts them.
class Meeting {
 public:
  __device__ __forceinline__ explicit Meeting(Barrier* barrier) : barrier_(barrier) {}
  __device__ __forceinline__ void meet() {
    __syncwarp();
    if (lane_index() == 0) barrier_arrive(barrier_);
    barrier_wait(barrier_, parity_);
    parity_ ^= 1;
  }

 private:
  Barrier* barrier_;
  uint32_t parity_ = 0;
};

}  // namespace dpo4j::cuda::attention
