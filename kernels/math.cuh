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

// rcp.approx.ftz (PTX ISA 9.0, 9.7.3.8): 1 / x in one instruction, with a relative error of 2^-23, for normal numbers x up to 2^126. The
// division with correct rounding takes eight more instructions and a branch.
__device__ __forceinline__ float reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

#else

using cuda_emulation::exp2_flushed;
inline float reciprocal(float x) { return 1.0f / x; }

#endif

// a / b with an error of two units in the last place, for b up to 2^126.
__device__ __forceinline__ float quotient(float a, float b) { return __fdividef(a, b); }

// tanh x = 1 - 2 / (e^2x + 1), by the exponential above and an approximate reciprocal. The absolute error is at most 10 * 2^-24: the
// exponential's of 2^-22 counts half, rounding its argument at most 0.45 * 2^-24, the sum 2^-23, the quotient 2^-22 and the difference
// 2^-24. The instruction tanh.approx has 2^-11.
__device__ __forceinline__ float tanh_flushed(float x) { return 1.0f - quotient(2.0f, exp2_flushed(x * (2 * kLog2E)) + 1.0f); }

// The number to subtract from scores before the exponential: the maximum, or 0 if the maximum is -inf, because -inf minus -inf is NaN.
__device__ __forceinline__ float finite_reference(float maximum) { return maximum == -INFINITY ? 0.0f : maximum; }

}  // namespace dpo4j::cuda
