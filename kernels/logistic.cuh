// The logistic functions of the preference losses, for the CUDA kernels and for the CPU, in fp64.
//
// Both go through t = exp(-|x|), which is in [0, 1]: softplus(x) = max(x, 0) + log1p(t), and sigmoid(-|x|) = t / (1 + t) keeps its digits
// where 1 - sigmoid(|x|) would have lost them.
#pragma once

#include <math.h>
#include <stdint.h>

#ifdef __CUDACC__
#define DPO4J_HOST_DEVICE __host__ __device__
// A call on the GPU. Inlined, the constants of a dozen fp64 exponentials and logarithms would fill the registers of a kernel that has all
// losses in it; the kernel is bound by its launch, not by calls.
#define DPO4J_HOST_DEVICE_CALL __host__ __device__ __noinline__
#else
#define DPO4J_HOST_DEVICE
#define DPO4J_HOST_DEVICE_CALL
#endif

namespace dpo4j {

// log(1 + exp(x)) = -log sigmoid(-x), and its slope sigmoid(x).
struct Softplus {
  double value, slope;
};

DPO4J_HOST_DEVICE_CALL inline Softplus softplus(double x) {
  const double t = exp(-fabs(x));
  return {(x > 0 ? x : 0) + log1p(t), (x < 0 ? t : 1) / (1 + t)};
}

// 1 / (1 + exp(-x)), and its slope sigmoid(x) sigmoid(-x).
struct Sigmoid {
  double value, slope;
};

DPO4J_HOST_DEVICE inline Sigmoid sigmoid(double x) {
  const double t = exp(-fabs(x)), large = 1 / (1 + t), small = t * large;
  return {x < 0 ? small : large, small * large};
}

}  // namespace dpo4j
