// The constants of base 2, and exponentials.
#pragma once

#include "portable.cuh"

namespace dpo4j::cuda {

constexpr double kLog2EDouble = 1.44269504088896340736;
constexpr float kLog2E = 1.44269504088896340736f, kLn2 = 0.69314718055994530942f;

#ifdef __CUDACC__

// ex2.approx.ftz (PTX ISA 9.0, 9.7.3.22): 2^x in one instruction, with a relative error of 2^-22. Subnormal results are flushed to 0, which
// does not change a sum whose max term is 1. exp2f keeps them, with three more instructions.
__device__ __forceinline__ float exp2_flushed(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

#else

using cuda_emulation::exp2_flushed;

#endif

// The maximum, or 0 if it is -inf: -inf minus -inf would be NaN, while any finite number works.
__device__ __forceinline__ float finite_reference(float maximum) { return maximum == -INFINITY ? 0.0f : maximum; }

}  // namespace dpo4j::cuda
