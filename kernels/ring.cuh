// Rings of stages in shared memory: who fills them runs ahead of who reads them, by as many stages as there are. Two barriers a stage
// (barrier.cuh) say whose turn it is.
#pragma once

#include "barrier.cuh"

namespace dpo4j::cuda {

template <int STAGES>
struct Ring {
  Barrier full[STAGES];   // the stage has landed
  Barrier empty[STAGES];  // nobody reads the stage any more

  // By one thread, before fence_barrier_init. Arrivals that make a stage full, and empty.
  __device__ void initialise(uint32_t writers, uint32_t readers) {
    for (int stage = 0; stage < STAGES; stage++) {
      barrier_init(&full[stage], writers);
      barrier_init(&empty[stage], readers);
    }
  }
};

// A place in a ring, and the parity of how often it has come round: a reader waits for full at `parity`, a writer for empty at the other.
template <int STAGES>
struct Place {
  int stage = 0;
  uint32_t parity = 0;
  __device__ void advance() {
    if (++stage == STAGES) stage = 0, parity ^= 1;
  }
};

}  // namespace dpo4j::cuda
