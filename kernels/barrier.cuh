// mbarrier: barriers in shared memory that synchronise threads with each other and with TMA (tensor_copy.cuh). PTX ISA, "Parallel
// Synchronization and Communication Instructions: mbarrier". Compute capability 9.0.
//
// A barrier advances from phase to phase. A phase ends when the expected number of arrivals has come and all expected bytes have landed.
// Phases count from 0, and a thread waits for one by its parity: the wait for parity p ends when the current phase has the other parity. So
// a wait for parity 1 on a new barrier returns at once, as if a phase before the first had ended.
//
// One function per instruction. Threads that did not call barrier_init may use the barrier only after fence_barrier_init and a barrier of
// the block or cluster.
#pragma once

#include "portable.cuh"

namespace dpo4j::cuda {

struct Barrier {
  uint64_t state;  // opaque, defined by the hardware
};

#ifdef __CUDACC__

// mbarrier.init: a phase expects `arrivals`.
__device__ __forceinline__ void barrier_init(Barrier* barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals) : "memory");
}

// fence.mbarrier_init: makes this thread's initialisations visible to the cluster and to TMA, once the threads have synchronised.
__device__ __forceinline__ void fence_barrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

// mbarrier.arrive, release: what this thread did before is visible to threads that have waited for this phase.
__device__ __forceinline__ void barrier_arrive(Barrier* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}

// The same for the barrier at the same address in another block: that of rank `rank` in the cluster (mapa). The release has only the scope
// of this block. That suffices, because it hands over memory that only TMA writes and only WGMMA reads. At cluster scope, every arrival
// would wait for all memory accesses of the thread, also those to device memory.
__device__ __forceinline__ void barrier_arrive_at(Barrier* barrier, uint32_t rank) {
  asm volatile(
      "{\n"
      ".reg .b32 theirs;\n"
      "mapa.shared::cluster.u32 theirs, %0, %1;\n"
      "mbarrier.arrive.shared::cluster.b64 _, [theirs];\n"
      "}\n" ::"r"(shared_address(barrier)),
      "r"(rank)
      : "memory");
}

// mbarrier.arrive.expect_tx: this phase also waits for `bytes` from TMA.
__device__ __forceinline__ void barrier_arrive_expecting(Barrier* barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes) : "memory");
}

// mbarrier.try_wait.parity, acquire: true once the phase is done. The hardware suspends the thread for a while before it returns false.
__device__ __forceinline__ bool barrier_try_wait(Barrier* barrier, uint32_t parity) {
  uint32_t done;
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%1], %2;\n"
      "selp.u32 %0, 1, 0, done;\n"
      "}\n"
      : "=r"(done)
      : "r"(shared_address(barrier)), "r"(parity)
      : "memory");
  return done != 0;
}

#else

inline void barrier_init(Barrier* barrier, uint32_t arrivals) { cuda_emulation::mbarrier_init(shared_address(barrier), arrivals); }
inline void fence_barrier_init() { cuda_emulation::fence_mbarrier_init(); }
inline void barrier_arrive(Barrier* barrier) { cuda_emulation::mbarrier_arrive(shared_address(barrier)); }
inline void barrier_arrive_at(Barrier* barrier, uint32_t rank) {
  cuda_emulation::mbarrier_arrive(cuda_emulation::mapa(shared_address(barrier), rank));
}
inline void barrier_arrive_expecting(Barrier* barrier, uint32_t bytes) {
  cuda_emulation::mbarrier_arrive_expect_tx(shared_address(barrier), bytes);
}
inline bool barrier_try_wait(Barrier* barrier, uint32_t parity) {
  return cuda_emulation::mbarrier_try_wait_parity(shared_address(barrier), parity);
}

#endif

__device__ __forceinline__ void barrier_wait(Barrier* barrier, uint32_t parity) {
  while (!barrier_try_wait(barrier, parity)) {
  }
}

}  // namespace dpo4j::cuda
