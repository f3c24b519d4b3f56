// The stack shows which call of dpo4j.h makes a launch: these functions are exported symbols of the library, kernels are not.
#include "faults.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../standin/standin.h"
#include "settings.h"

namespace cuda_emulation {
namespace {

bool is_called_from(const char* function) {
  constexpr int kMaxFrames = 64;
  void* frames[kMaxFrames];
  const int count = backtrace(frames, kMaxFrames);
  for (int i = 0; i < count; i++) {
    Dl_info info;
    if (dladdr(frames[i], &info) != 0 && info.dli_sname != nullptr && strcmp(info.dli_sname, function) == 0) return true;
  }
  return false;
}

}  // namespace

void fault_if_asked() {
  const Settings& asked = settings();
  if (asked.hang != nullptr && is_called_from(asked.hang)) {
    fprintf(stderr, "CUDA emulation: hangs in %s, as DPO4J_EMULATION_HANG says\n", asked.hang);
    for (;;) pause();
  }
  // Null is not device memory, so from now on the stand-in fails every call.
  if (asked.fault != nullptr && is_called_from(asked.fault)) dpo4j_standin_touch(nullptr, 1, asked.fault);
}

}  // namespace cuda_emulation
