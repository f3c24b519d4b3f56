// Sums over the threads of a warp or a block, by trees of fixed shape: the same inputs give the same bits.
#pragma once

#include "portable.cuh"

namespace dpo4j::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// The first lane's x. The compiler then knows that the value is uniform in the warp: it keeps the value in a uniform register, and branches
// on it are uniform.
__device__ __forceinline__ int32_t uniform(int32_t x) { return __shfl_sync(kAllLanes, x, 0); }

// The sum, and the max, over LANES consecutive lanes. Each of them gets the same result, because in each step both lanes of a pair combine
// the same two numbers.
template <int LANES, class T>
__device__ __forceinline__ T lane_sum(T x) {
#pragma unroll
  for (int distance = LANES / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(kAllLanes, x, distance);
  return x;
}

template <int LANES>
__device__ __forceinline__ float lane_max(float x) {
#pragma unroll
  for (int distance = LANES / 2; distance > 0; distance /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, distance));
  return x;
}

template <class T>
__device__ __forceinline__ T warp_sum(T x) {
  return lane_sum<kWarp>(x);
}

// The max, and the sum, over the four lanes that share a row of a tensor core fragment (mma.cuh, wgmma.cuh). Neighbours are added first.
__device__ __forceinline__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, 1));
  return fmaxf(x, __shfl_xor_sync(kAllLanes, x, 2));
}

__device__ __forceinline__ float quad_sum(float x) {
  x += __shfl_xor_sync(kAllLanes, x, 1);
  return x + __shfl_xor_sync(kAllLanes, x, 2);
}

// Every thread of a block of THREADS gets the sum. All threads must call it.
template <int THREADS, class T>
__device__ __forceinline__ T block_sum(T x) {
  static_assert(THREADS % kWarp == 0, "whole warps only");
  x = warp_sum(x);
  if constexpr (THREADS > kWarp) {
    DPO4J_SHARED(T, warp_sums, [THREADS / kWarp]);
    if (threadIdx.x % kWarp == 0) warp_sums[threadIdx.x / kWarp] = x;
    __syncthreads();
    x = 0;
#pragma unroll
    for (int warp = 0; warp < THREADS / kWarp; warp++) x += warp_sums[warp];
    __syncthreads();  // warp_sums may be written again
  }
  return x;
}

// total[i] = the sum of x[i] over a block of THREADS, for all N numbers with two barriers. `total` is in shared memory, and no thread may
// still read its old contents.
template <int THREADS, class T, int N>
__device__ __forceinline__ void block_sums(const T (&x)[N], T (&total)[N]) {
  static_assert(THREADS % kWarp == 0 && N <= THREADS, "whole warps only, and a thread for each number");
  DPO4J_SHARED(T, warp_sums, [N][THREADS / kWarp]);
#pragma unroll
  for (int i = 0; i < N; i++) {
    const T sum = warp_sum(x[i]);
    if (threadIdx.x % kWarp == 0) warp_sums[i][threadIdx.x / kWarp] = sum;
  }
  __syncthreads();
  if (threadIdx.x < N) {
    T sum = 0;
    for (int warp = 0; warp < THREADS / kWarp; warp++) sum += warp_sums[threadIdx.x][warp];
    total[threadIdx.x] = sum;
  }
  __syncthreads();
}

}  // namespace dpo4j::cuda
