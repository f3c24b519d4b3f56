// Turns: blocks of one launch that do something to the same memory one after another, in an order that is theirs and not that of their arrival.
// A counter in device memory says whose turn it is. One thread waits and one ends the turn; what a block did before its turn ended, the block
// whose turn is next sees, each within the order that barriers give its own threads.
//
// A block may wait for blocks alone that have started: they take their work from a ticket, and wait for lower tickets only.
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

#else

using cuda_emulation::load_acquire;
using cuda_emulation::store_release;

#endif

__device__ __forceinline__ void wait_for_turn(const uint32_t* counter, uint32_t turn) {
  while (load_acquire(counter) != turn) __nanosleep(20);
}

__device__ __forceinline__ void end_turn(uint32_t* counter, uint32_t turn) { store_release(counter, turn + 1); }

}  // namespace dpo4j::cuda
