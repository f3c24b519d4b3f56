// The gradient of the logits of a row, for the backward kernels of token_logprob.
#pragma once

#include "math.cuh"
#include "token_logprob.cuh"

namespace dpo4j::cuda::token_logprob {

// d ((j == target) - exp(z - lse)) dz/dx for columns j other than the target.
template <int N, class L>
__device__ __forceinline__ Vec<N> gradient(const Vec<N>& logits, const L& transform, int64_t column, float lse, float d_logprob) {
  Vec<N> d;
  // The sign is applied to d_logprob, where it costs no instruction.
  const auto scaled_probability = [&](float z) { return __fmul_rn(-d_logprob, exp2f((z - lse) * kLog2E)); };
  if constexpr (L::kTransforms) {
    const Vec<N> bias = transform.template bias_of<N>(column);
#pragma unroll
    for (int k = 0; k < N; k++) {
      const TransformedLogit transformed = transform.apply(logits[k], bias[k]);
      d[k] = __fmul_rn(scaled_probability(transformed.z), transformed.slope);
    }
  } else {
#pragma unroll
    for (int k = 0; k < N; k++) d[k] = scaled_probability(logits[k]);
  }
  return d;
}

// The same for the target: -d expm1(z - lse) dz/dx. Unlike 1 - exp(z - lse), it keeps its digits when the probability of the target is
// close to 1.
template <class L>
__device__ __forceinline__ float gradient_at_target(float logit, const L& transform, int64_t target, float lse, float d_logprob) {
  if constexpr (L::kTransforms) {
    const TransformedLogit transformed = transform.apply(logit, transform.template bias_of<1>(target)[0]);
    return -d_logprob * expm1f(transformed.z - lse) * transformed.slope;
  } else {
    return -d_logprob * expm1f(logit - lse);
  }
}

// A row of logits in memory, for store_gradient.
template <class T>
struct RowInMemory {
  const T* logits;
  __device__ __forceinline__ Packed16<T> vector(int32_t i) const { return load_packed<Access::kOnce>(logits, i); }
  __device__ __forceinline__ float one(int64_t column) const { return load_one(logits + column); }
};

// Writes the gradient of a thread's columns of a slice. row.vector(i) and row.one(column) read the logits, i and column counted from the
// start of the row. The thread reads each of its logits before it overwrites it: that of the target first. At the end, the gradient of the
// target overwrites the one written with its vector.
template <class T, class Out, class L, class Row>
__device__ __forceinline__ void store_gradient(Out* d_row, const Row& row, const L& transform, const Slice<T>& slice, int32_t threads,
                                               int32_t target, float lse, float d_logprob) {
  Out* to = d_row + slice.begin;
  const int32_t first_of_slice = static_cast<int32_t>(slice.begin / kPer16Bytes<T>);
  const int64_t target_in_slice = target - slice.begin;
  const bool has_target = target_in_slice >= 0 && slice.thread_of(target_in_slice, threads) == thread_of_team();
  const float at_target = has_target ? row.one(target) : 0.0f;
  for_tiles<T>(
      slice.vectors, threads, [&](int32_t i) { return row.vector(first_of_slice + i); },
      [&](const Tile<T>& tile, int32_t first) {
#pragma unroll
        for (int k = 0; k < Tile<T>::kVectors; k++) {
          const int32_t i = first + k * threads;
          if (i >= slice.vectors) break;
          const int64_t column = static_cast<int64_t>(i) * kPer16Bytes<T>;
          store<kPer16Bytes<T>, Access::kOnce>(to + column,
                                               gradient(unpack<T>(tile.vectors[k]), transform, slice.begin + column, lse, d_logprob));
        }
      });
  if (thread_of_team() < slice.left) {
    const int64_t column = slice.begin + slice.columns_in_vectors() + thread_of_team();
    store_one(d_row + column, gradient(Vec<1>{{row.one(column)}}, transform, column, lse, d_logprob)[0]);
  }
  if (has_target) store_one(d_row + target, gradient_at_target(at_target, transform, target, lse, d_logprob));
}

// Writes the gradient of a row that is not read: `value` is exactly 0 for a masked row, and NaN if the target is beyond the vocabulary.
template <class T, class Out>
__device__ __forceinline__ void store_all(Out* d_row, const Slice<T>& slice, int32_t threads, float value) {
  Out* to = d_row + slice.begin;
  Vec<kPer16Bytes<T>> d;
#pragma unroll
  for (int k = 0; k < kPer16Bytes<T>; k++) d[k] = value;
  for (int32_t i = thread_of_team(); i < slice.vectors; i += threads) {
    store<kPer16Bytes<T>, Access::kOnce>(to + static_cast<int64_t>(i) * kPer16Bytes<T>, d);
  }
  if (thread_of_team() < slice.left) store_one(to + slice.columns_in_vectors() + thread_of_team(), value);
}

}  // namespace dpo4j::cuda::token_logprob
