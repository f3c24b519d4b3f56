// The settings from environment variables, read once.
#pragma once

#include <stdint.h>

namespace cuda_emulation {

// The order in which ready threads run and blocks start. A kernel without races gives the same bits in every order.
enum class Schedule { kAscending, kDescending, kRandom };

struct Settings {
  Schedule schedule;  // DPO4J_EMULATION_SCHEDULE = ascending (default), descending or random:SEED
  uint64_t seed;
  int workers;        // DPO4J_EMULATION_WORKERS: blocks that run at the same time; default: one per processor. ThreadSanitizer: always 1
  const char* hang;   // DPO4J_EMULATION_HANG: a call of dpo4j.h whose launches never end; or null
  const char* fault;  // DPO4J_EMULATION_FAULT: a call after whose launches every call fails with cudaErrorIllegalAddress; or null
};

const Settings& settings();

}  // namespace cuda_emulation
