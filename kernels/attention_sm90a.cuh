// Tiles of attention for Hopper: bf16 in shared memory, in the layout that TMA writes (tensor_copy.cuh) and WGMMA reads (wgmma.cuh).
//
// In the D fragment of WGMMA, each warp holds 16 rows, distributed over its lanes exactly as in mma.sync. So MmaTile<D, 1, COLUMNS> of
// attention_mma.cuh is used here too: it knows which rows and columns a thread holds, turns scores into weights, and writes results.
#pragma once

#include "attention_mma.cuh"
#include "ring.cuh"
#include "wgmma.cuh"

namespace dpo4j::cuda::attention {

// A fragment as the flat array that WGMMA expects.
template <class Fragment>
__device__ __forceinline__ float (&flat(Fragment& fragment))[sizeof(Fragment) / sizeof(float)] {
  return reinterpret_cast<float (&)[sizeof(Fragment) / sizeof(float)]>(fragment);
}

// ROWS rows of D columns in shared memory: one TMA tile for every 64 columns, one after the other.
template <int D, int ROWS>
struct WarpgroupRows {
  static constexpr int kParts = D / kTileColumns, kPartBytes = ROWS * kTileRowBytes, kBytes = kParts * kPartBytes;
  static constexpr int kChunks = kBytes / 16, kRowChunks = kTileRowBytes / 16;
  static_assert(D % kTileColumns == 0 && kPartBytes % kTileAlignment == 0, "whole tiles");

  // Called by one thread: loads ROWS rows from `row` on and D columns from `column` on. The barrier must expect kBytes.
  static __device__ __forceinline__ void load(unsigned char* rows, const TileMap& map, Barrier* landed, int32_t row, int32_t column) {
#pragma unroll
    for (int part = 0; part < kParts; part++) load_tile(rows + part * kPartBytes, map, landed, row, column + part * kTileColumns);
  }

  // Copies the same rows without TMA, by THREADS threads: row i from tensor + offset(i), or zeros if offset(i) is negative. Each thread
  // starts the cp.async of every THREADS-th chunk.
  template <int THREADS, class Offset>
  static __device__ __forceinline__ void copy(unsigned char* rows, const void* tensor, int thread, Offset offset) {
    const bf16* const from = static_cast<const bf16*>(tensor);
#pragma unroll 4
    for (int chunk = thread; chunk < kChunks; chunk += THREADS) {
      const int row = chunk / kRowChunks % ROWS, column = chunk / (ROWS * kRowChunks) * kTileColumns + (chunk ^ row) % kRowChunks * 8;
      const int64_t begin = offset(row);
      cp_async_16(rows + chunk * 16, begin < 0 ? from : from + begin + column, begin >= 0);
    }
  }

  // Sets elements that are not finite to 0 in this thread's chunks, and returns whether there were any. First all chunks are checked,
  // several at a time, because replacements are rare.
  template <int THREADS>
  static __device__ __forceinline__ bool hide_not_finite(unsigned char* rows, int thread) {
    constexpr int kAtOnce = 8;
    static_assert(kChunks % (kAtOnce * THREADS) == 0, "every thread has as many chunks");
    uint4* const chunks = reinterpret_cast<uint4*>(rows) + thread;
    uint32_t sums = 0;
#pragma unroll 1
    for (int first = 0; first < kChunks; first += kAtOnce * THREADS) {
      uint4 x[kAtOnce];
#pragma unroll
      for (int i = 0; i < kAtOnce; i++) x[i] = chunks[first + i * THREADS];
#pragma unroll
      for (int i = 0; i < kAtOnce; i++) {
        sums |= add_to_exponents(x[i].x) | add_to_exponents(x[i].y) | add_to_exponents(x[i].z) | add_to_exponents(x[i].w);
      }
    }
    if ((sums & kCarries) == 0) return false;
    for (int chunk = 0; chunk < kChunks; chunk += THREADS) attention::hide_not_finite(chunks + chunk);
    return true;
  }

  // Descriptor whose K dimension is 16 columns (number `step`) of all rows: an operand of scores.
  static __device__ __forceinline__ uint64_t columns(const unsigned char* rows, int step) {
    constexpr int kSteps = kTileColumns / kProductDepth;
    return tile_descriptor(shared_address(rows + step / kSteps * kPartBytes)) + step % kSteps * kNextDepth;
  }

  // Descriptor whose K dimension is 16 rows (number `step`) of all columns: the operand that weights multiply.
  static __device__ __forceinline__ uint64_t rows(const unsigned char* rows, int step) {
    return transposed_descriptor(shared_address(rows), kPartBytes) + step * kNextTransposedDepth;
  }
};

// Ordered semaphore of the consumer warpgroups: each waits for its turn, issues its products, and passes the turn on. So the products of
// one overlap with the softmax of another.
class Turns {
 public:
  // `barriers` has one barrier per warpgroup; a phase ends when all warps of the previous warpgroup have passed their turn. The first
  // warpgroup has the first turn.
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

// A barrier of the warps of one warpgroup. It also makes what their lanes stored before visible to all of them.
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
