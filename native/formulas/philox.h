// Philox4x32-10 (Salmon et al. 2011): 128 random bits from a counter and a key, without state. So random bits depend only on counter and
// key, not on which thread computes them, or when.
#pragma once

#include <stdint.h>

#include "host_device.h"

namespace dpo4j {

struct PhiloxBits {
  uint32_t x, y, z, w;
};

DPO4J_HOST_DEVICE inline PhiloxBits philox(PhiloxBits counter, uint32_t key_x, uint32_t key_y) {
  constexpr uint64_t kMultiplierX = 0xD2511F53, kMultiplierZ = 0xCD9E8D57;
  constexpr uint32_t kWeylX = 0x9E3779B9, kWeylY = 0xBB67AE85;
#ifdef __CUDA_ARCH__
#pragma unroll
#endif
  for (int round = 0; round < 10; round++) {
    const uint64_t x = kMultiplierX * counter.x, z = kMultiplierZ * counter.z;
    counter = {static_cast<uint32_t>(z >> 32) ^ counter.y ^ key_x, static_cast<uint32_t>(z),
               static_cast<uint32_t>(x >> 32) ^ counter.w ^ key_y, static_cast<uint32_t>(x)};
    key_x += kWeylX;
    key_y += kWeylY;
  }
  return counter;
}

}  // namespace dpo4j
