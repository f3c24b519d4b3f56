// A ring of pipeline stages in shared memory: the producer may be ahead of the consumers by up to STAGES stages. Each stage has two
// barriers (barrier.cuh).
#pragma once

#include "barrier.cuh"

namespace dpo4j::cuda {

template <int STAGES>
struct Ring {
  Barrier full[STAGES];   // the producer has filled the stage
  Barrier empty[STAGES];  // the consumers have released the stage

  // Called by one thread, before fence_barrier_init. The arguments are the numbers of arrivals that make a stage full, and that make it
  // empty.
  __device__ void initialise(uint32_t writers, uint32_t readers) {
    for (int stage = 0; stage < STAGES; stage++) {
      barrier_init(&full[stage], writers);
      barrier_init(&empty[stage], readers);
    }
  }
};

// A position in the pipeline: a stage, and the parity of the number of rounds through the ring. A consumer waits for `full` at `parity`,
// the producer for `empty` at the other parity.
template <int STAGES>
struct PipelineState {
  int stage = 0;
  uint32_t parity = 0;
  __device__ void advance() {
    if (++stage == STAGES) stage = 0, parity ^= 1;
  }
};

}  // namespace dpo4j::cuda
