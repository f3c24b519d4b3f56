// Thread block clusters: up to eight neighbouring blocks along x that run at the same time and reach each other's shared memory. A kernel is
// put into clusters by launch_clusters; launched without, and on devices before compute capability 9.0, every block is a cluster of its own,
// and the same source does.
//
// Two barriers are the kernel's to set:
//   before the first access   to another block's shared memory, since that block may not have started
//   after the last one        since a block that exits takes its shared memory along: nobody may return before all have read
#pragma once

#include <cooperative_groups.h>

#include "portable.cuh"

namespace dpo4j::cuda {

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900

__device__ __forceinline__ unsigned cluster_rank() { return 0; }
__device__ __forceinline__ unsigned cluster_size() { return 1; }
__device__ __forceinline__ void cluster_sync() { __syncthreads(); }

template <class T>
__device__ __forceinline__ T* cluster_shared(T* mine, unsigned) {
  return mine;
}

#else

// This block among those of its cluster, and how many they are.
__device__ __forceinline__ unsigned cluster_rank() { return cooperative_groups::this_cluster().block_rank(); }
__device__ __forceinline__ unsigned cluster_size() { return cooperative_groups::this_cluster().num_blocks(); }

// Waits for every thread of the cluster that has not exited. What any of them wrote before, to shared or device memory, all see after.
__device__ __forceinline__ void cluster_sync() { cooperative_groups::this_cluster().sync(); }

// The same variable, or element of an array, in the shared memory of the block of that rank. `mine` is in this block's.
template <class T>
__device__ __forceinline__ T* cluster_shared(T* mine, unsigned rank) {
  return cooperative_groups::this_cluster().map_shared_rank(mine, static_cast<int>(rank));
}

#endif

}  // namespace dpo4j::cuda
