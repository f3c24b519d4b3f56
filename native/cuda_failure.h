// Words for failures of the CUDA runtime. After some of them no CUDA call of the process works any more, and each returns that same error: the
// first is remembered, and told with every later one, which by itself would name the wrong call.
#pragma once

#include <stddef.h>

namespace dpo4j {

// What to say of a cudaError_t other than 0 that `call` returned.
void describe_failure(int error, const char* call, char* text, size_t text_bytes);

}  // namespace dpo4j
