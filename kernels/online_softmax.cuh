// The state of an online softmax (Milakov and Gimelshein 2018), in base 2. The scores of a row are read tile by tile. If a tile raises the
// maximum, the sums so far are rescaled to the new maximum.
#pragma once

#include "math.cuh"

namespace dpo4j::cuda {

// The state of each of the ROWS rows of a thread.
template <int ROWS>
struct OnlineSoftmax {
  float maximum[ROWS];  // of the scores so far
  float sum[ROWS];      // of 2^(score - maximum)

  __device__ __forceinline__ OnlineSoftmax() {
#pragma unroll
    for (int i = 0; i < ROWS; i++) maximum[i] = -INFINITY, sum[i] = 0;
  }
  // `rescale` is 2^(old maximum - new_maximum). The caller computes it with the exponential of its kernel, and also multiplies its other
  // sums by it.
  __device__ __forceinline__ void move_to(int row, float new_maximum, float rescale) {
    maximum[row] = new_maximum;
    sum[row] *= rescale;
  }
  // The natural log of the sum of exp(score): converts maximum and sum from base 2.
  __device__ __forceinline__ float lse(int row) const { return (maximum[row] + log2f(sum[row])) * kLn2; }
};

}  // namespace dpo4j::cuda
