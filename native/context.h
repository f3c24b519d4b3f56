// What a dpo4j_context is: one device, the threads or the launch context that serve it, and the text of the last
// refusal.
#pragma once

#include <memory>

#include "cpu/cpu.h"
#include "cuda.h"
#include "dpo4j.h"

struct dpo4j_context {
  int32_t device;                        // dpo4j_device
  std::unique_ptr<dpo4j::cpu::Cpu> cpu;  // of a cpu context
  dpo4j::cuda::LaunchContext cuda;       // of a cuda context
  char text[512];
};
