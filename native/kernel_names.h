// Kernels that a caller may turn off one by one: those for one architecture, beside which another kernel does the same work. Each has the name
// of its file in kernels/.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace dpo4j {

// Bits of cuda::Queue::without.
enum ArchitectureKernel : uint32_t { kAttentionForwardSm90a = 1, kAttentionBackwardSm90a = 2, kLmHeadForwardSm90a = 4 };

// The bits of a comma-separated list of names. False: a name is unknown, and `text` says which, and which there are.
bool kernels_named(const char* names, uint32_t* kernels, char* text, size_t text_bytes);

}  // namespace dpo4j
