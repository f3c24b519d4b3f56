// Kernels that a caller may turn off, if other kernels compute the same results: those that need one architecture, and those of decoding. The
// name of a kernel is that of its file in kernels/.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace dpo4j {

// Bits of cuda::LaunchContext::without.
enum OptionalKernel : uint32_t {
  kAttentionForwardSm90a = 1,
  kAttentionBackwardSm90a = 2,
  kLmHeadForwardSm90a = 4,
  kLmHeadExponentialsSm90a = 8,
  kAttentionDecode = 16
};

// Converts a comma-separated list of names to bits. Returns false if a name is unknown; `text` then names it and lists those that exist.
bool kernels_named(const char* names, uint32_t* kernels, char* text, size_t text_bytes);

}  // namespace dpo4j
