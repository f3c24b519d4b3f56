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

  // Scores become weights. `kept` is what brings sums of weights so far to the new largest scores; whether any lane of the warp has one
  // that is not 1. Some score of each row so far must be finite.
  __device__ __forceinline__ bool weigh(typename Tile::Scores& s, typename Tile::RowFloats& kept) {
    bool moved = false;
#pragma unroll
    for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float now = largest[m][half];
#pragma unroll
        for (int n = 0; n < Tile::kColumns / 8; n++) now = fmaxf(now, fmaxf(s[m][n][2 * half], s[m][n][2 * half + 1]));
        now = quad_max(now);
        kept[m][half] = exp2_flushed(largest[m][half] - now);
        moved |= kept[m][half] != 1;
        largest[m][half] = now;
        sum[m][half] *= kept[m][half];
#pragma unroll
        for (int n = 0; n < Tile::kColumns / 8; n++) {
#pragma unroll
          for (int c = 2 * half; c < 2 * half + 2; c++) sum[m][half] += s[m][n][c] = exp2_flushed(s[m][n][c] - now);
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

// Scores in base 2, from products.
template <class Tile>
__device__ __forceinline__ void scale_scores(typename Tile::Scores& s, float factor) {
#pragma unroll
  for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
    for (int n = 0; n < Tile::kColumns / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) s[m][n][i] *= factor;
    }
  }
}

// -infinity where the row does not see the key.
template <class Tile, class Block>
__device__ __forceinline__ void hide_scores(typename Tile::Scores& s, const Block& block, int32_t first_key) {
#pragma unroll
  for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int32_t last_key = block.last_key(block.warp_row + Tile::row(m, i / 2));
#pragma unroll
      for (int n = 0; n < Tile::kColumns / 8; n++) {
        if (first_key + Tile::column(n, i % 2) > last_key) s[m][n][i] = -INFINITY;
      }
    }
  }
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
