// The online softmax of attention's forward kernels on tensor cores, over tiles of scores in the fragments of attention_mma.cuh.
#pragma once

#include "attention_mma.cuh"
#include "online_softmax.cuh"

namespace dpo4j::cuda::attention {

// The softmax of this thread's rows. Sums are over this thread's columns until finish() adds the lanes that share a row.
template <class Tile>
struct Softmax : OnlineSoftmax<2 * Tile::kRowTiles> {
  static __device__ __forceinline__ int index(int m, int half) { return 2 * m + half; }  // of row(m, half)

  // Turns scores into weights; score * factor is the score in base 2, and the factor is positive. `rescale` rescales the sums so far to
  // the new maximum. Returns whether it differs from 1 in any lane of the warp. Each row must have at least one finite score so far. With
  // LIMITED, all scores of a row may be -infinity, and then its weights are 0.
  //
  // exp2(fma(s, factor, -maximum)) applies the factor and subtracts the maximum in one step, so an exponent is rounded once. The maximum is
  // rounded too, but all weights of a row use the same rounded maximum, so its error cancels in out and lse. It may make a weight slightly
  // larger than 1.
  template <bool LIMITED>
  __device__ __forceinline__ bool weigh(typename Tile::Scores& s, float factor, typename Tile::RowFloats& rescale) {
    bool is_rescaled = false;
#pragma unroll
    for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float tile_maximum = fmaxf(s[m][0][2 * half], s[m][0][2 * half + 1]);
#pragma unroll
        for (int n = 1; n < Tile::kColumns / 8; n++) tile_maximum = fmaxf(tile_maximum, fmaxf(s[m][n][2 * half], s[m][n][2 * half + 1]));
        const int i = index(m, half);
        const float now = fmaxf(this->maximum[i], quad_max(tile_maximum) * factor);
        const float reference = LIMITED ? finite_reference(now) : now;
        rescale[m][half] = exp2_flushed(this->maximum[i] - reference);
        is_rescaled |= rescale[m][half] != 1;
        this->move_to(i, now, rescale[m][half]);
#pragma unroll
        for (int n = 0; n < Tile::kColumns / 8; n++) {
#pragma unroll
          for (int c = 2 * half; c < 2 * half + 2; c++) this->sum[i] += s[m][n][c] = exp2_flushed(fmaf(s[m][n][c], factor, -reference));
        }
      }
    }
    return __any_sync(kAllLanes, is_rescaled);
  }

  // Called after the last tile: adds the sums of the lanes that share a row; `inverse` is 1 / sum.
  __device__ __forceinline__ void finish(typename Tile::RowFloats& inverse) {
#pragma unroll
    for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float& sum = this->sum[index(m, half)];
        sum = quad_sum(sum);
        inverse[m][half] = 1.0f / sum;
      }
    }
  }
};

// Calls f for all scores of this thread.
template <class Tile, class F>
__device__ __forceinline__ void each_score(typename Tile::Scores& s, F f) {
#pragma unroll
  for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
    for (int n = 0; n < Tile::kColumns / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) f(s[m][n][i]);
    }
  }
}

// Returns a positive factor that converts scores to base 2. The caller applies it after it has found the max score, which a positive factor
// does not change. If the factor is not positive, or if there is a soft cap, the scores are converted here and the result is 1.
template <class Tile, bool LIMITED>
__device__ __forceinline__ float positive_factor(typename Tile::Scores& s, float factor, const dpo4j_attention_shape& shape) {
  if (LIMITED && shape.soft_cap > 0) {
    const SoftCap soft(shape);
    each_score<Tile>(s, [&](float& score) { score = soft.cap * tanh_flushed(score * soft.over_cap); });
    return 1;
  }
  if (factor > 0) return factor;
  each_score<Tile>(s, [&](float& score) { score *= factor; });
  return 1;
}

// Called after finish(), which completes the sums.
template <class Tile, class Block>
__device__ __forceinline__ void write_lse(const dpo4j_attention_forward_params& x, const Block& block, const Softmax<Tile>& softmax) {
  if (lane_member() != 0) return;
#pragma unroll
  for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = block.warp_row + Tile::row(m, half);
      if (!block.exists(row)) continue;
      x.lse[block.queries.scalar(block.row(row), x.shape.heads)] = softmax.lse(softmax.index(m, half));
    }
  }
}

}  // namespace dpo4j::cuda::attention
