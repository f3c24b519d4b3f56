// The online softmax of attention's forward kernels (Milakov and Gimelshein 2018), over tiles of scores in the fragments of
// attention_mma.cuh.
#pragma once

#include "attention_mma.cuh"

namespace dpo4j::cuda::attention {

// Of this thread's rows, in base 2: the largest score so far, and the sum of exp2(score - largest) over this thread's columns.
template <class Tile>
struct Softmax {
  typename Tile::RowFloats largest, sum;

  __device__ __forceinline__ Softmax() {
    Tile::fill(largest, -INFINITY);
    Tile::fill(sum, 0);
  }

  // Scores, of which those in base 2 are `factor` times as much, become weights; the factor is positive. `kept` is what brings sums of
  // weights so far to the new largest scores; whether any lane of the warp has one that is not 1. Some score of each row so far must be
  // finite.
  //
  // The factor is within the difference: exp2(fma(s, factor, -largest)). What `largest` is rounded by is the same for all weights of a row, so
  // that out and lse do not feel it, and a weight may be above 1 by as much. An exponent is rounded once.
  __device__ __forceinline__ bool weigh(typename Tile::Scores& s, float factor, typename Tile::RowFloats& kept) {
    bool moved = false;
#pragma unroll
    for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float of_tile = fmaxf(s[m][0][2 * half], s[m][0][2 * half + 1]);
#pragma unroll
        for (int n = 1; n < Tile::kColumns / 8; n++) of_tile = fmaxf(of_tile, fmaxf(s[m][n][2 * half], s[m][n][2 * half + 1]));
        const float now = fmaxf(largest[m][half], quad_max(of_tile) * factor);
        kept[m][half] = exp2_flushed(largest[m][half] - now);
        moved |= kept[m][half] != 1;
        largest[m][half] = now;
        sum[m][half] *= kept[m][half];
#pragma unroll
        for (int n = 0; n < Tile::kColumns / 8; n++) {
#pragma unroll
          for (int c = 2 * half; c < 2 * half + 2; c++) sum[m][half] += s[m][n][c] = exp2_flushed(fmaf(s[m][n][c], factor, -now));
        }
      }
    }
    return __any_sync(kAllLanes, moved);
  }

  // After the last tile: sums are those of whole rows, and `inverse` 1 over them.
  __device__ __forceinline__ void finish(typename Tile::RowFloats& inverse) {
#pragma unroll
    for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        sum[m][half] = quad_sum(sum[m][half]);
        inverse[m][half] = 1.0f / sum[m][half];
      }
    }
  }
};

// What brings scores to base 2, if it is positive, and so keeps their order. Otherwise scores are brought there, and 1.
template <class Tile>
__device__ __forceinline__ float positive_factor(typename Tile::Scores& s, float factor) {
  if (factor > 0) return factor;
#pragma unroll
  for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
    for (int n = 0; n < Tile::kColumns / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) s[m][n][i] *= factor;
    }
  }
  return 1;
}

// Of whole rows: after finish().
template <class Tile, class Block>
__device__ __forceinline__ void write_lse(const AttentionForward& x, const Block& block, const Softmax<Tile>& softmax) {
  if (lane_member() != 0) return;
#pragma unroll
  for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = block.warp_row + Tile::row(m, half);
      if (!block.exists(row)) continue;
      const float lse = (softmax.largest[m][half] + log2f(softmax.sum[m][half])) * kLn2;
      x.lse[block.queries.scalar(block.row(row), x.heads)] = lse;
    }
  }
}

}  // namespace dpo4j::cuda::attention
