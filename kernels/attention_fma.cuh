// Tiles of attention on fp32 units. A block keeps its rows in shared memory and reads one tile of columns at a time into it, for all its
// rows. A warp owns the same rows in both products of attention.cuh. So it reads only weights that it has written itself.
#pragma once

#include "attention.cuh"
#include "reduce.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda::attention {

// Shapes for head widths up to D. The lanes of a warp form 4 rows by 8 columns. Forward and backward keep different numbers of tiles in
// shared memory, which must fit in 99 KiB: the min over supported devices of shared memory per block.
template <int D, bool BACKWARD>
struct Tile {
  static constexpr int kThreads = 128, kWarps = kThreads / kWarp;
  static constexpr int kBlocks = D <= 64 ? 3 : 2;  // resident per SM; bounds registers per thread
  static constexpr int kLimitedBlocks = 2;         // with a window or a soft cap, which take more registers
  static constexpr int kRowsPerThread = D <= 128 ? 4 : 2;
  static constexpr int kRowsPerWarp = 4 * kRowsPerThread;
  static constexpr int kRows = kWarps * kRowsPerWarp;
  static constexpr int kColumns = D <= 64 ? 32 : (D <= 128 ? 32 : 16) / (BACKWARD ? 2 : 1);
  static constexpr int kColumnsPerThread = kColumns / 8;
  static constexpr int kQuads = D / 32;               // groups of four consecutive d per thread; group q starts at d = 4 lane_x() + 32 q
  static constexpr int kStride = D + 4;               // floats from row to row of a tile: the next row starts four banks further
  static constexpr int kWeightStride = kColumns + 8;  // floats from row to row of the weights
  static constexpr int kRowFloats = kRows * kStride, kColumnFloats = kColumns * kStride, kWeightFloats = kRows * kWeightStride;

  using Scores = float[kRowsPerThread][kColumnsPerThread];
  using Output = float4[kRowsPerThread][kQuads];

  static __device__ __forceinline__ int lane_x() { return threadIdx.x % 8; }
  // The index, within the tile, of this thread's i-th row and of its c-th column.
  static __device__ __forceinline__ int row(int i) { return threadIdx.x / kWarp * kRowsPerWarp + threadIdx.x % kWarp / 8 + 4 * i; }
  static __device__ __forceinline__ int column(int c) { return lane_x() + 8 * c; }

  static __device__ __forceinline__ void scores(Scores& s, const float* rows, const float* columns, int head_width) {
    const float* const a = rows + row(0) * kStride;
    const float* const b = columns + column(0) * kStride;
#pragma unroll
    for (int i = 0; i < kRowsPerThread; i++) {
#pragma unroll
      for (int c = 0; c < kColumnsPerThread; c++) s[i][c] = 0;
    }
#pragma unroll 2
    for (int d = 0; d < head_width; d += 4) {
      float4 x[kRowsPerThread], y[kColumnsPerThread];
#pragma unroll
      for (int i = 0; i < kRowsPerThread; i++) x[i] = *reinterpret_cast<const float4*>(a + 4 * i * kStride + d);
#pragma unroll
      for (int c = 0; c < kColumnsPerThread; c++) y[c] = *reinterpret_cast<const float4*>(b + 8 * c * kStride + d);
#pragma unroll
      for (int i = 0; i < kRowsPerThread; i++) {
#pragma unroll
        for (int c = 0; c < kColumnsPerThread; c++) {
          s[i][c] = fmaf(x[i].x, y[c].x, s[i][c]);
          s[i][c] = fmaf(x[i].y, y[c].y, s[i][c]);
          s[i][c] = fmaf(x[i].z, y[c].z, s[i][c]);
          s[i][c] = fmaf(x[i].w, y[c].w, s[i][c]);
        }
      }
    }
  }

  // With SELECT, columns with weight 0 are left out of the sum, because masked columns may contain infinities and NaN. Only tiles whose
  // rows see different columns need it.
  template <bool SELECT>
  static __device__ __forceinline__ void accumulate(Output& o, const float* weights, const float* columns) {
    const float* const w = weights + row(0) * kWeightStride;
    const float* const b = columns + 4 * lane_x();
#pragma unroll 1
    for (int c = 0; c < kColumns; c += 4) {
      float4 p[kRowsPerThread];
#pragma unroll
      for (int i = 0; i < kRowsPerThread; i++) p[i] = *reinterpret_cast<const float4*>(w + 4 * i * kWeightStride + c);
#pragma unroll
      for (int k = 0; k < 4; k++) {
#pragma unroll
        for (int q = 0; q < kQuads; q++) {
          const float4 v = *reinterpret_cast<const float4*>(b + (c + k) * kStride + 32 * q);
#pragma unroll
          for (int i = 0; i < kRowsPerThread; i++) {
            const float weight = k == 0 ? p[i].x : k == 1 ? p[i].y : k == 2 ? p[i].z : p[i].w;
            if (SELECT && weight == 0) continue;
            o[i][q].x = fmaf(weight, v.x, o[i][q].x);
            o[i][q].y = fmaf(weight, v.y, o[i][q].y);
            o[i][q].z = fmaf(weight, v.z, o[i][q].z);
            o[i][q].w = fmaf(weight, v.w, o[i][q].w);
          }
        }
      }
    }
  }

  static __device__ __forceinline__ void accumulate(Output& o, const float* weights, const float* columns, bool select) {
    if (select)
      accumulate<true>(o, weights, columns);
    else
      accumulate<false>(o, weights, columns);
  }

  static __device__ __forceinline__ void write_weights(float* weights, const Scores& s) {
#pragma unroll
    for (int i = 0; i < kRowsPerThread; i++) {
#pragma unroll
      for (int c = 0; c < kColumnsPerThread; c++) weights[row(i) * kWeightStride + column(c)] = s[i][c];
    }
  }

  static __device__ __forceinline__ void clear(Output& o) {
#pragma unroll
    for (int i = 0; i < kRowsPerThread; i++) {
#pragma unroll
      for (int q = 0; q < kQuads; q++) o[i][q] = make_float4(0, 0, 0, 0);
    }
  }

  // Loads COUNT rows into shared memory as fp32, called by all threads. address(row) is null for a row that does not exist. Such rows, and
  // columns beyond head_width, are set to 0.
  template <int COUNT, class Address>
  static __device__ __forceinline__ void read(float* tile, int head_width, Address address) {
    constexpr int kVectors = D / kVector;
    for (int item = threadIdx.x; item < COUNT * kVectors; item += kThreads) {
      const int row = item / kVectors, d = item % kVectors * kVector;
      const auto from = address(row);
      Vec<kVector> v{};
      if (from && d < head_width) v = load<kVector>(from + d);
      store<kVector>(tile + row * kStride + d, v);
    }
  }

  // Stores this thread's columns of a row, times `factor`.
  static __device__ __forceinline__ void write(float* to, const float4 (&o)[kQuads], float factor, int head_width) {
#pragma unroll
    for (int q = 0; q < kQuads; q++) {
      const int d = 4 * lane_x() + 32 * q;
      if (d < head_width) store<4>(to + d, Vec<4>{{o[q].x * factor, o[q].y * factor, o[q].z * factor, o[q].w * factor}});
    }
  }
};

// The max, and the sum, over the eight lanes that share a row.
__device__ __forceinline__ float row_max(float x) { return lane_max<8>(x); }
__device__ __forceinline__ float row_sum(float x) { return lane_sum<8>(x); }

// The scores of products q.k in base 2, and their derivatives by scale q.k. Without LIMITED the derivative is 1.
template <bool LIMITED>
class ScoreOf {
 public:
  __device__ __forceinline__ explicit ScoreOf(const dpo4j_attention_shape& shape) : factor_(shape.scale * kLog2E), cap_(shape) {}
  __device__ __forceinline__ float operator()(float product, float& slope) const {
    slope = 1;
    if (!LIMITED || !cap_.exists()) return product * factor_;
    const float t = tanhf(product * cap_.over_cap);
    slope = 1 - t * t;
    return cap_.cap * t;
  }
  __device__ __forceinline__ float operator()(float product) const {
    float slope;
    return (*this)(product, slope);
  }

 private:
  float factor_;
  SoftCap cap_;
};

// A block of query rows, and how it loads tiles.
template <class Tile, class X, bool LIMITED>
struct FmaQueryBlock : QueryBlock<Tile::kRows, X, LIMITED> {
  using QueryBlock<Tile::kRows, X, LIMITED>::QueryBlock;

  // Whether some row of the tile does not see all of the tile of keys.
  __device__ __forceinline__ bool partly_seen(int32_t tile) const {
    return tile + Tile::kColumns - 1 > this->last_key(0) || (LIMITED && tile < this->first_key(this->key_end - 1));
  }

  __device__ __forceinline__ void read_rows(float* tile, const void* tensor, int64_t stride) const {
    Tile::template read<Tile::kRows>(tile, this->head_width, [&](int row) -> const float* {
      if (!this->exists(row)) return nullptr;
      return static_cast<const float*>(tensor) + this->queries.vector(this->first_row + row, stride, this->head_width);
    });
  }
  __device__ __forceinline__ void read_keys(float* tile, const void* tensor, int32_t first_key) const {
    Tile::template read<Tile::kColumns>(tile, this->head_width, [&](int column) -> const float* {
      const int32_t key = first_key + column;
      if (key >= this->key_end) return nullptr;
      return static_cast<const float*>(tensor) + this->keys.row(key) * this->x.shape.kv_stride + blockIdx.y * this->head_width;
    });
  }
};

// Calls f(Count<D>) with the min supported D that is at least head_width.
template <class F>
int with_width(int64_t head_width, F f) {
  if (head_width <= 32) return f(Count<32>{});
  if (head_width <= 64) return f(Count<64>{});
  if (head_width <= 128) return f(Count<128>{});
  return f(Count<256>{});
}

}  // namespace dpo4j::cuda::attention
