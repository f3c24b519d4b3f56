// Constants that convert between base e and base 2, and the fast exponential in base 2.
#pragma once

#include "portable.cuh"

namespace dpo4j::cuda {

constexpr double kLog2EDouble = 1.44269504088896340736;
constexpr float kLog2E = 1.44269504088896340736f, kLn2 = 0.69314718055994530942f;

#ifdef __CUDACC__

// ex2.approx.ftz (PTX ISA 9.0, 9.7.3.22): 2^x in one instruction, with a relative error of 2^-22. It flushes subnormal results to 0, which
// does not change a sum whose max term is 1. exp2f does not flush them, and takes three more instructions.
__device__ __forceinline__ float exp2_flushed(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

#else

using cuda_emulation::exp2_flushed;

#endif

// The number to subtract from scores before the exponential: the maximum, or 0 if the maximum is -inf, because -inf minus -inf is NaN.
__device__ __forceinline__ float finite_reference(float maximum) { return maximum == -INFINITY ? 0.0f : maximum; }

}  // namespace dpo4j::cuda
