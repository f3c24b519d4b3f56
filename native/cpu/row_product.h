// c[m, n] (+)= a[m, k] b[n, k]^T, for any number of rows. Decoding has one row per sequence. sgemm computes 24 rows at least, so with fewer
// rows it is bound by arithmetic. This product reads b once and is then bound by its bytes. sgemm also packs a and b before it multiplies, which
// takes a large part of the time of a product of less than 100 rows; this product packs b alone.
//
// The bits are those of oneDNN's sgemm, so a row does not depend on the number of rows: an element is the sum of blocks of k, and a block is
// one chain of fma from its first k to its last. split_k says where blocks end. oneDNN chooses the block for the processor, so matmul.cpp
// finds it when it loads the library, by comparing products.
#pragma once

#include <stdint.h>

namespace dpo4j::cpu {

struct RowProduct {
  float* c;
  const float *a, *b;
  int64_t c_stride, a_stride, b_stride;
  int64_t rows, columns, k;  // columns is a multiple of kProductColumns
  int64_t block;
  bool accumulate;
  bool has_panels;  // b is stored in panels
};

constexpr int64_t kProductColumns = 16;
constexpr int64_t kMaxBlock = 512;
constexpr int64_t kPackedFloats = 2 * (kMaxBlock + 16) * 64;  // max size of `packed`

// The length of the next block of k, of `left` that are left.
inline __attribute__((always_inline)) int64_t split_k(int64_t left, int64_t block) {
  return left >= 2 * block ? block : left > block ? (left + 1) / 2 : left;
}

// For processors with AVX2.
void multiply_rows(const RowProduct& p);

namespace avx512 {
// For processors with AVX-512. `packed` is scratch memory.
void multiply_rows(const RowProduct& p, float* packed);
}  // namespace avx512

}  // namespace dpo4j::cpu
