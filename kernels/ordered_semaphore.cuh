// Ordered semaphore: blocks of one launch access the same memory one after another, in a fixed order that does not depend on arrival. A
// counter in device memory holds the turn. One thread of a block waits for its turn and one ends it. What a block wrote before it ended its
// turn is visible to the block with the next turn; within each block, barriers order its other threads before and after that thread.
//
// A block may wait only for blocks that have started; otherwise the launch may hang. So each block takes its work from a ticket counter and
// waits only for blocks with lower tickets.
#pragma once

#include "portable.cuh"

namespace dpo4j::cuda {

#ifdef __CUDACC__

// ld.acquire, st.release: PTX ISA, "Memory Consistency Model".
__device__ __forceinline__ uint32_t load_acquire(const uint32_t* address) {
  uint32_t word;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(word) : "l"(address) : "memory");
  return word;
}
__device__ __forceinline__ void store_release(uint32_t* address, uint32_t word) {
  asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(address), "r"(word) : "memory");
}

// red.release: later additions to the same word do not end what it releases.
__device__ __forceinline__ void add_release(uint32_t* address, uint32_t word) {
  asm volatile("red.release.gpu.global.add.u32 [%0], %1;" ::"l"(address), "r"(word) : "memory");
}

#else

using cuda_emulation::add_release;
using cuda_emulation::load_acquire;
using cuda_emulation::store_release;

#endif

__device__ __forceinline__ void wait_for_turn(const uint32_t* counter, uint32_t turn) {
  while (load_acquire(counter) != turn) __nanosleep(20);
}

__device__ __forceinline__ void end_turn(uint32_t* counter, uint32_t turn) { store_release(counter, turn + 1); }

}  // namespace dpo4j::cuda
