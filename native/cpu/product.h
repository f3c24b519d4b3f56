// Products of tiles in the cache: c[m, n] = (accumulate ? c : 0) + a[m, k] b[k, n], n a multiple of kLanes, b in any storage.
//
// For all m and n, each element of c is one chain of fma over k, from first to last. So a product that is cut along m, n or k (and
// accumulates) has the same bits.
#pragma once

#include "vector.h"

namespace dpo4j::cpu::DPO4J_ISA {

// The matrix a. Its element (i, j) is at[i * row + j * step]; for a transposed matrix `row` is 1.
struct Left {
  const float* at;
  int64_t row, step;
  Left from(int64_t first_row, int64_t first_step) const { return {at + first_row * row + first_step * step, row, step}; }
};

constexpr int kTileRows = 4;
constexpr int kTileVectors = kLanes == 16 ? 4 : 2;  // 4 x 4 sums fill half of 32 registers, 4 x 2 half of 16

template <int kRows, int kVectors, class B>
DPO4J_INLINE void product_tile(float* c, int64_t c_stride, Left a, const B* b, int64_t b_stride, int64_t k, bool accumulate) {
  Floats sums[kRows][kVectors];
#pragma GCC unroll 4
  for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; j++) sums[i][j] = accumulate ? load(c + i * c_stride + j * kLanes) : all(0);
  }
  for (int64_t step = 0; step < k; step++) {
    Floats row[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; j++) row[j] = load(b + step * b_stride + j * kLanes, Whole{});
#pragma GCC unroll 4
    for (int i = 0; i < kRows; i++) {
      const Floats x = all(a.at[i * a.row + step * a.step]);
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; j++) sums[i][j] = fma(x, row[j], sums[i][j]);
    }
  }
#pragma GCC unroll 4
  for (int i = 0; i < kRows; i++) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; j++) store(c + i * c_stride + j * kLanes, sums[i][j]);
  }
}

template <int kRows, class B>
void product_rows(float* c, int64_t c_stride, Left a, const B* b, int64_t b_stride, int64_t n, int64_t k, bool accumulate) {
  int64_t j = 0;
  for (; j + kTileVectors * kLanes <= n; j += kTileVectors * kLanes) {
    product_tile<kRows, kTileVectors>(c + j, c_stride, a, b + j, b_stride, k, accumulate);
  }
  for (; j < n; j += kLanes) product_tile<kRows, 1>(c + j, c_stride, a, b + j, b_stride, k, accumulate);
}

template <class B>
void product(float* c, int64_t c_stride, Left a, const B* b, int64_t b_stride, int64_t m, int64_t n, int64_t k, bool accumulate) {
  int64_t i = 0;
  for (; i + kTileRows <= m; i += kTileRows)
    product_rows<kTileRows>(c + i * c_stride, c_stride, a.from(i, 0), b, b_stride, n, k, accumulate);
  for (; i < m; i++) product_rows<1>(c + i * c_stride, c_stride, a.from(i, 0), b, b_stride, n, k, accumulate);
}

}  // namespace dpo4j::cpu::DPO4J_ISA
