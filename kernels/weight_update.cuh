// What the optimizers share: one pass over weights and gradients, and the rounding of weights. The clipped gradient is never stored.
//
// With a `master`, the master array holds the exact weight p, and the parameter is p rounded. A bf16 parameter without a master is rounded
// stochastically. The mean of the rounded values is the exact p, so updates far below the last digit of the parameter add up (Gupta et al.
// 2015). Rounding drops 16 bits of an element and uses 16 random bits. They come from Philox: key = seed, counter = (element / 8, step). So
// the random bits of an element depend only on its number, the step and the seed. If clip is NaN (the gradient was not finite), every array
// stays unchanged.
//
// Bytes moved per element, besides the optimizer's state: 12 (fp32 without master), 14 (bf16 with master), 8 (bf16 without).
#pragma once

#include "philox.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda {

constexpr int kUpdateThreads = 256;
// Resident blocks per SM: 4 leave 64 registers per thread, 3 leave 80. Stochastic rounding spills with 64.
template <bool kStochastic>
constexpr int kUpdateBlocks = kStochastic ? 3 : 4;
static_assert(kVector == 8, "a whole vector takes the bits of one counter");

// The last word of a Philox counter: which value of an element is rounded.
enum class Rounded : uint32_t { kParameter, kM, kV };

// Rounds N elements stochastically. `element` is the number of the first; for N > 1 it is a multiple of 8.
template <int N>
__device__ __forceinline__ Vec<N> round_elements(Vec<N> x, Rounded what, int64_t element, uint2 seed, uint32_t step) {
  const uint64_t group = static_cast<uint64_t>(element) / kVector;
  const uint4 random =
      philox(make_uint4(static_cast<uint32_t>(group), static_cast<uint32_t>(group >> 32), step, static_cast<uint32_t>(what)), seed);
  const int first = N == 1 ? static_cast<int>(element % kVector) : 0;
#pragma unroll
  for (int k = 0; k < N; k++) x[k] = round_stochastically(x[k], sixteen_bits(random, first + k));
  return x;
}

// rule.begin() reads the rates; then rule.step<N>(i, g, p) updates N weights p from element i on, and the rule's state.
template <class T, bool kStochastic, class Rule>
__global__ void __launch_bounds__(kUpdateThreads, kUpdateBlocks<kStochastic>)
    update_weights(T* parameter, float* master, const float* gradient, const float* clip, const uint32_t* random, int64_t first,
                   int64_t count, Rule rule) {
  constexpr Access kOnce = Access::kOnce;
  const float scale = clip ? *clip : 1.0f;
  if (scale != scale) return;
  rule.begin();
  const uint2 seed = kStochastic ? make_uint2(random[0], random[1]) : make_uint2(0, 0);
  [[maybe_unused]] const uint32_t number = kStochastic ? random[2] : 0;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kUpdateThreads + threadIdx.x;
  for_columns(count, whole_vectors(count), thread, static_cast<int64_t>(gridDim.x) * kUpdateThreads, [&](auto n, int64_t i) {
    constexpr int N = decltype(n)::value;
    Vec<N> p = master ? load<N, kOnce>(master + i) : load<N>(parameter + i);
    Vec<N> g = load<N, kOnce>(gradient + i);
#pragma unroll
    for (int k = 0; k < N; k++) g[k] *= scale;
    rule.template step<N>(i, g, p);
    if (master) store<N, kOnce>(master + i, p);
    if constexpr (kStochastic) p = round_elements(p, Rounded::kParameter, first + i, seed, number);
    store<N>(parameter + i, p);
  });
}

template <class T, bool kStochastic, class Params, class Rule>
int launch_update_of(const LaunchContext& context, const Params& x, const Rule& rule) {
  return launch(context, update_weights<T, kStochastic, Rule>, dim3(divide_up(x.count, kUpdateThreads * kVector)), dim3(kUpdateThreads), 0,
                static_cast<T*>(x.parameter), x.master, x.gradient, x.clip, x.random, x.first, x.count, rule);
}

template <class Params, class Rule>
int launch_update(const LaunchContext& context, const Params& x, const Rule& rule) {
  if (x.random) return launch_update_of<__nv_bfloat16, true>(context, x, rule);
  return x.dtype == DPO4J_BF16 ? launch_update_of<__nv_bfloat16, false>(context, x, rule)
                               : launch_update_of<float, false>(context, x, rule);
}

}  // namespace dpo4j::cuda
