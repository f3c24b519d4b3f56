// The contents of a tensor map, which are opaque to callers: the stand-in driver writes them, and the emulated TMA reads them.
#pragma once

#include <stdint.h>

namespace cuda_emulation {

struct TensorMap {
  static constexpr uint64_t kMark = 0x64706f346a6d6170;
  uint64_t mark;  // kMark
  char* address;
  uint64_t extent[2];  // elements, the contiguous ones first
  uint64_t stride;     // bytes from row to row
  uint32_t tile[2];    // elements
  uint32_t element_bytes;
  uint32_t swizzle_bytes;  // 128, 64 or 32; 0: none
};
static_assert(sizeof(TensorMap) <= 128, "a tensor map has 128 bytes");

}  // namespace cuda_emulation
