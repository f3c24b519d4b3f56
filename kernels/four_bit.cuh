// The map of 4-bit codes in shared memory: 16 numbers in 16 banks, so that the lanes of a warp read different ones in one access.
#pragma once

#include "formulas/four_bit.h"
#include "portable.cuh"

namespace dpo4j::cuda {

// The caller waits before it reads the map. The loop is unrolled, so that the numbers are constants of the code.
__device__ __forceinline__ void fill_four_bit_map(float* map, int32_t quant_type, int thread) {
#pragma unroll
  for (int code = 0; code < kFourBitCodes; code++) {
    if (thread == code) map[code] = four_bit_value(quant_type, code);
  }
}

}  // namespace dpo4j::cuda
