// The state of an online softmax (Milakov and Gimelshein 2018), in base 2. It reads the scores of a row tile by tile: when the maximum
// grows, what has been summed so far is rescaled to the new maximum.
#pragma once

#include "math.cuh"

namespace dpo4j::cuda {

// The rows of a thread.
template <int ROWS>
struct OnlineSoftmax {
  float maximum[ROWS];  // of the scores so far
  float sum[ROWS];      // of 2^(score - maximum)

  __device__ __forceinline__ OnlineSoftmax() {
#pragma unroll
    for (int i = 0; i < ROWS; i++) maximum[i] = -INFINITY, sum[i] = 0;
  }
  // `rescale` is 2^(maximum - new_maximum). The kernel computes it with its own exponential, and multiplies its other sums by it too.
  __device__ __forceinline__ void move_to(int row, float new_maximum, float rescale) {
    maximum[row] = new_maximum;
    sum[row] *= rescale;
  }
  // Log of the sum of exp(score), the scores converted back from base 2.
  __device__ __forceinline__ float lse(int row) const { return (maximum[row] + log2f(sum[row])) * kLn2; }
};

}  // namespace dpo4j::cuda
