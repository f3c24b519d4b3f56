// Blocks of rows as columns, in fp32.
#pragma once

#include "storage.h"
#include "transpose.h"
#ifdef __AVX512F__
#include "packed_product.h"
#endif

namespace dpo4j::cpu::DPO4J_ISA {

// Elements [i, i + kBlock) of kBlock rows become columns of out, whose rows are `stride` floats apart. The rows have `left` elements from i on.
#if defined(__AVX512F__)
constexpr int kBlock = kLanes;
template <class T>
DPO4J_INLINE void transpose_block(float* out, int64_t stride, const T* const rows[kBlock], int64_t i, int64_t left) {
  __m512 block[kBlock];
#pragma GCC unroll 16
  for (int r = 0; r < kBlock; r++) {
    block[r] = (__m512)(left >= kBlock ? load(rows[r] + i, Whole{}) : load(rows[r] + i, Part{static_cast<int>(left)}));
  }
  transpose_words(block);
#pragma GCC unroll 16
  for (int r = 0; r < kBlock; r++) {
    if (r < left) _mm512_storeu_ps(out + r * stride, block[r]);
  }
}
#elif defined(__AVX2__)
constexpr int kBlock = kTransposed;
template <class T>
DPO4J_INLINE void transpose_block(float* out, int64_t stride, const T* const rows[kBlock], int64_t i, int64_t left) {
  __m256 block[kBlock];
  for (int r = 0; r < kBlock; r++) {
    block[r] = (__m256)(left >= kBlock ? load(rows[r] + i, Whole{}) : load(rows[r] + i, Part{static_cast<int>(left)}));
  }
  transpose(block);
  for (int r = 0; r < kBlock && r < left; r++) _mm256_storeu_ps(out + r * stride, block[r]);
}
#else
constexpr int kBlock = kLanes;
template <class T>
DPO4J_INLINE void transpose_block(float* out, int64_t stride, const T* const rows[kBlock], int64_t i, int64_t left) {
  for (int r = 0; r < kBlock && r < left; r++) {
    for (int j = 0; j < kBlock; j++) out[r * stride + j] = load_one(rows[j] + i + r);
  }
}
#endif

}  // namespace dpo4j::cpu::DPO4J_ISA
