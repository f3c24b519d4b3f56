// Bulk copies from shared to device memory: PTX ISA, "Data Movement and Conversion Instructions: cp.async.bulk, cp.reduce.async.bulk".
// Compute capability 9.0.
//
// One thread issues a copy of contiguous bytes. L2 stores them, or adds them to what is there, so no thread loads the old contents. The
// threads that wrote the shared memory execute fence_async_proxy() (wgmma.cuh) before the barrier at which the issuing thread waits for
// them. Addresses and sizes are multiples of 16 bytes. The issuing thread waits for its own copies, in groups.
//
// bulk_add adds fp32 numbers. Each is one addition that rounds to nearest. Subnormal inputs and results become 0 with the same sign.
#pragma once

#include "portable.cuh"

#ifndef __CUDACC__
#include <cuda_emulation/bulk_copy.h>
#endif

namespace dpo4j::cuda {

#ifdef __CUDACC__

// createpolicy: the bytes of a copy with this policy are evicted from L2 last.
__device__ __forceinline__ uint64_t evict_last_policy() {
  uint64_t policy;
  asm volatile("createpolicy.fractional.L2::evict_last.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}

__device__ __forceinline__ void bulk_store(float* to, const float* shared, uint32_t bytes, uint64_t policy) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group.L2::cache_hint [%0], [%1], %2, %3;" ::"l"(to), "r"(shared_address(shared)),
               "r"(bytes), "l"(policy)
               : "memory");
}

__device__ __forceinline__ void bulk_add(float* to, const float* shared, uint32_t bytes, uint64_t policy) {
  asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group.L2::cache_hint.add.f32 [%0], [%1], %2, %3;" ::"l"(to),
               "r"(shared_address(shared)), "r"(bytes), "l"(policy)
               : "memory");
}

// Closes the group of this thread's copies since the last commit.
__device__ __forceinline__ void bulk_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }

// Waits until this thread's copies have read shared memory: it may be written again.
__device__ __forceinline__ void bulk_wait_read() { asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory"); }

// Waits until this thread's copies have written device memory, and what they wrote is visible to this thread.
__device__ __forceinline__ void bulk_wait() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }

#else

inline uint64_t evict_last_policy() { return 0; }
inline void bulk_store(float* to, const float* shared, uint32_t bytes, uint64_t) {
  cuda_emulation::begin_bulk_copy(to, shared_address(shared), bytes, false);
}
inline void bulk_add(float* to, const float* shared, uint32_t bytes, uint64_t) {
  cuda_emulation::begin_bulk_copy(to, shared_address(shared), bytes, true);
}
inline void bulk_commit() { cuda_emulation::bulk_commit_group(); }
inline void bulk_wait_read() { cuda_emulation::bulk_wait_group_read(); }
inline void bulk_wait() { cuda_emulation::bulk_wait_group(); }

#endif

}  // namespace dpo4j::cuda
