// What the environment chooses, read once.
#pragma once

#include <stdint.h>

namespace cuda_emulation {

// The order in which ready threads take turns, and blocks start. A kernel without races gives the same bits under all of them.
enum class Schedule { kAscending, kDescending, kRandom };

struct Settings {
  Schedule schedule;  // DPO4J_EMULATION_SCHEDULE = ascending (default), descending or random:SEED
  uint64_t seed;
  int workers;        // DPO4J_EMULATION_WORKERS: blocks run at once; default: one a processor. ThreadSanitizer: always 1
  const char* hang;   // DPO4J_EMULATION_HANG: a call of dpo4j.h whose launches never end; or null
  const char* fault;  // DPO4J_EMULATION_FAULT: one whose launches fail the device for good, with cudaErrorIllegalAddress; or null
};

const Settings& settings();

}  // namespace cuda_emulation
