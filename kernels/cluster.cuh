// Thread block clusters: up to eight blocks, consecutive along x, that run at the same time and can access each other's shared memory.
// launch_clusters launches a kernel in clusters. In other launches, and on devices before compute capability 9.0, every block is a cluster
// of one block, and the same source works.
//
// A kernel must have two barriers:
//   before the first access   to another block's shared memory, since that block may not have started
//   after the last access     since shared memory is freed when its block exits: no block may exit before all have read
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

// The rank of this block in its cluster, and the number of blocks of the cluster.
__device__ __forceinline__ unsigned cluster_rank() { return cooperative_groups::this_cluster().block_rank(); }
__device__ __forceinline__ unsigned cluster_size() { return cooperative_groups::this_cluster().num_blocks(); }

// Waits for every thread of the cluster that has not exited. Writes before it, to shared or device memory, are visible to all after it.
__device__ __forceinline__ void cluster_sync() { cooperative_groups::this_cluster().sync(); }

// The counterpart of `mine`, a variable in this block's shared memory, in the block of that rank.
template <class T>
__device__ __forceinline__ T* cluster_shared(T* mine, unsigned rank) {
  return cooperative_groups::this_cluster().map_shared_rank(mine, static_cast<int>(rank));
}

#endif

}  // namespace dpo4j::cuda
