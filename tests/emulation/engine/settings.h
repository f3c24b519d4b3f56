// What the environment chooses, read once.
#pragma once

#include <stdint.h>

namespace cuda_emulation {

// The order in which ready threads take turns, and blocks start. A kernel without races gives the same bits under all of them.
enum class Schedule { kAscending, kDescending, kRandom };

struct Settings {
  Schedule schedule;  // DPO4J_EMULATION_SCHEDULE = ascending (default), descending or random:SEED
  uint64_t seed;
  int workers;  // DPO4J_EMULATION_WORKERS: blocks run at once; default: one a processor. ThreadSanitizer: always 1
};

const Settings& settings();

}  // namespace cuda_emulation
