// Thread block clusters: up to eight blocks, consecutive along x, that run at the same time and can access each other's shared memory.
// launch_clusters launches a kernel in clusters. In other launches, and on devices before compute capability 9.0, every block is a cluster
// of one block, and the same source works.
//
// A kernel must have two barriers:
//   before the first access   to another block's shared memory, since that block may not have started
//   after the last access     since shared memory is freed when its block exits: no block may exit before all have read
// Instead of cluster_sync() it may call cluster_arrive() and, later, cluster_wait(), and do in between what needs no other block.
#pragma once

#include <cooperative_groups.h>

#include "portable.cuh"

namespace dpo4j::cuda {

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900

__device__ __forceinline__ unsigned cluster_rank() { return 0; }
__device__ __forceinline__ unsigned cluster_size() { return 1; }
__device__ __forceinline__ void cluster_sync() { __syncthreads(); }
__device__ __forceinline__ void cluster_arrive() {}
__device__ __forceinline__ void cluster_arrive_relaxed() {}
__device__ __forceinline__ void cluster_wait() {}

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

// The two halves of cluster_sync(): arrives, and waits until every thread of the cluster has arrived. All threads of a warp call the same one.
// A thread that has arrived must wait before it arrives again or exits.
//
// cluster_arrive() releases: it first waits until this thread's accesses to memory are done (MEMBAR), stores to device memory included.
// cluster_arrive_relaxed() does not. It is for threads whose accesses no other thread needs.
__device__ __forceinline__ void cluster_arrive() { cooperative_groups::this_cluster().barrier_arrive(); }
__device__ __forceinline__ void cluster_arrive_relaxed() { __cluster_barrier_arrive_relaxed(); }
__device__ __forceinline__ void cluster_wait() { cooperative_groups::this_cluster().barrier_wait(); }

// The counterpart of `mine`, a variable in this block's shared memory, in the block of that rank.
template <class T>
__device__ __forceinline__ T* cluster_shared(T* mine, unsigned rank) {
  return cooperative_groups::this_cluster().map_shared_rank(mine, static_cast<int>(rank));
}

#endif

}  // namespace dpo4j::cuda
