#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include <thread>

#include "../include/cuda_emulation/execution.h"
#include "sanitizers.h"

namespace cuda_emulation {
namespace {

uint64_t number(const char* text, const char* variable) {
  char* end;
  const unsigned long long value = strtoull(text, &end, 10);
  if (end == text || *end != 0) fail("%s holds '%s' where a number is wanted", variable, text);
  return value;
}

Settings read() {
  Settings settings{Schedule::kAscending, 0, 0, getenv("DPO4J_EMULATION_HANG"), getenv("DPO4J_EMULATION_FAULT")};
  constexpr const char* kSchedule = "DPO4J_EMULATION_SCHEDULE";
  constexpr const char* kWorkers = "DPO4J_EMULATION_WORKERS";
  constexpr const char* kRandom = "random:";
  if (const char* schedule = getenv(kSchedule)) {
    if (strcmp(schedule, "descending") == 0) {
      settings.schedule = Schedule::kDescending;
    } else if (strncmp(schedule, kRandom, strlen(kRandom)) == 0) {
      settings.schedule = Schedule::kRandom;
      settings.seed = number(schedule + strlen(kRandom), kSchedule);
    } else if (strcmp(schedule, "ascending") != 0) {
      fail("%s is '%s': say ascending, descending or random:SEED", kSchedule, schedule);
    }
  }
  if (const char* workers = getenv(kWorkers)) settings.workers = static_cast<int>(number(workers, kWorkers));
  if (settings.workers == 0) settings.workers = static_cast<int>(std::thread::hardware_concurrency());
  // For ThreadSanitizer fibers are threads, and it supports at most about 8000.
  if (kSanitizeThread || settings.workers < 1) settings.workers = 1;
  return settings;
}

}  // namespace

const Settings& settings() {
  static const Settings settings = read();
  return settings;
}

}  // namespace cuda_emulation
