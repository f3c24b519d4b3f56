// Messages for failures of the CUDA runtime. After some errors every later CUDA call of the process returns the same error. So the first
// one is remembered and named in every later message, which would otherwise blame the wrong call.
#pragma once

#include <stddef.h>

namespace dpo4j {

// The message for a cudaError_t other than 0 that `call` returned.
void describe_failure(int error, const char* call, char* text, size_t text_bytes);

}  // namespace dpo4j
