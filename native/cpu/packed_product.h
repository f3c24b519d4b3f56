// c[m, n] (+)= a[m, k] b[k, n] with a packed block of b, by vectors of AVX-512. A word is 32 bits: an fp32, or two bf16 of consecutive k.
// Element (i, j) of the packed block is word i of column j. An element of c is one chain from the first word to the last, then one addition
// to c. So its bits do not depend on m and n.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "vector.h"

namespace dpo4j::cpu::DPO4J_ISA {

constexpr int kMaxVectors = 4;  // of a group of columns

struct Fp32Words {
  static DPO4J_INLINE __m512 multiply(__m512 a, __m512 b, __m512 sum) { return _mm512_fmadd_ps(a, b, sum); }
};

#ifdef __AVX512BF16__
struct Bf16Words {
  static DPO4J_INLINE __m512 multiply(__m512 a, __m512 b, __m512 sum) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
};
#endif

// Memory that a product fetches into L2 while it multiplies: `step` bytes for each word of each part of the rows. It is the b that is packed
// next. If
// packing itself fetched it, the processor would wait for memory there, and memory for the processor here.
struct Ahead {
  const char* at;
  int64_t step;  // 0: none
};

struct PackedProduct {
  float* c;
  const uint32_t *a, *packed;
  int64_t c_stride;
  int64_t a_row, a_word;  // words between rows of a, and between consecutive words of a row
  int64_t rows, words;
  bool adds;  // to c
  Ahead ahead;
};

// Rows whose sums fill 24 of 32 registers.
constexpr int64_t max_rows(int64_t vectors) { return vectors == 1 ? 12 : 24 / vectors; }
template <int kVectors>
constexpr int kMaxRows = static_cast<int>(max_rows(kVectors));

DPO4J_INLINE int64_t parts_of(int64_t rows, int64_t vectors) { return (rows + max_rows(vectors) - 1) / max_rows(vectors); }

// The bytes of b to fetch per word and part, so that a product fetches as much as it reads; 0 if that is more than one cache line.
DPO4J_INLINE int64_t ahead_step(int64_t rows, int64_t vectors) {
  constexpr int64_t kLine = 64;
  const int64_t parts = parts_of(rows, vectors), bytes = vectors * kLanes * static_cast<int64_t>(sizeof(uint32_t));
  return bytes > parts * kLine ? 0 : (bytes + parts - 1) / parts;
}

template <class Words, int kVectors, int kRows>
DPO4J_INLINE void packed_rows(const PackedProduct& p, int64_t row, const char* ahead) {
  __m512 sums[kRows][kVectors] = {};
  const uint32_t* a = p.a + row * p.a_row;
  const uint32_t* b = p.packed;
  for (int64_t i = 0; i < p.words; i++, a += p.a_word, b += kVectors * kLanes, ahead += p.ahead.step) {
    __builtin_prefetch(ahead, 0, 2);
    __m512 columns[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; j++) columns[j] = _mm512_loadu_ps(b + j * kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; r++) {
      const __m512 x = (__m512)_mm512_set1_epi32(static_cast<int>(a[r * p.a_row]));
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; j++) sums[r][j] = Words::multiply(x, columns[j], sums[r][j]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; r++) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; j++) {
      float* c = p.c + (row + r) * p.c_stride + j * kLanes;
      _mm512_storeu_ps(c, p.adds ? _mm512_add_ps(_mm512_loadu_ps(c), sums[r][j]) : sums[r][j]);
    }
  }
}

// Runs packed_rows for `rows` rows, 1 to kRows.
template <class Words, int kVectors, int kRows>
void some_rows(const PackedProduct& p, int64_t row, int64_t rows, const char* ahead) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return some_rows<Words, kVectors, kRows - 1>(p, row, rows, ahead);
  }
  packed_rows<Words, kVectors, kRows>(p, row, ahead);
}

// Cuts the rows into parts of nearly equal size.
template <class Words, int kVectors>
void all_rows(const PackedProduct& p) {
  const int64_t parts = parts_of(p.rows, kVectors);
  for (int64_t part = 0; part < parts; part++) {
    const int64_t begin = p.rows * part / parts;
    some_rows<Words, kVectors, kMaxRows<kVectors>>(p, begin, p.rows * (part + 1) / parts - begin,
                                                   p.ahead.at + part * p.words * p.ahead.step);
  }
}

// `vectors` vectors of columns, 1 to kMaxVectors.
template <class Words>
void packed_product(const PackedProduct& p, int64_t vectors) {
  switch (vectors) {
    case 1:
      return all_rows<Words, 1>(p);
    case 2:
      return all_rows<Words, 2>(p);
    case 3:
      return all_rows<Words, 3>(p);
    default:
      return all_rows<Words, 4>(p);
  }
}

// Calls f(first, count) for groups of nearly equal size, of at most kMaxVectors vectors.
template <class F>
DPO4J_INLINE void each_group(int64_t vectors, const F& f) {
  const int64_t groups = (vectors + kMaxVectors - 1) / kMaxVectors;
  for (int64_t group = 0; group < groups; group++) {
    const int64_t first = vectors * group / groups;
    f(first, vectors * (group + 1) / groups - first);
  }
}

// Row i becomes column i.
DPO4J_INLINE void transpose_words(__m512 rows[kLanes]) {
  __m512 pair[kLanes], four[kLanes];
#pragma GCC unroll 8
  for (int i = 0; i < kLanes; i += 2) {
    pair[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
    pair[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kLanes; i += 4) {
    four[i] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0x44);
    four[i + 1] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0xEE);
    four[i + 2] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
    four[i + 3] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0xEE);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const __m512 low_even = _mm512_shuffle_f32x4(four[i], four[i + 4], 0x88), low_odd = _mm512_shuffle_f32x4(four[i], four[i + 4], 0xDD);
    const __m512 high_even = _mm512_shuffle_f32x4(four[i + 8], four[i + 12], 0x88);
    const __m512 high_odd = _mm512_shuffle_f32x4(four[i + 8], four[i + 12], 0xDD);
    rows[i] = _mm512_shuffle_f32x4(low_even, high_even, 0x88);
    rows[i + 4] = _mm512_shuffle_f32x4(low_odd, high_odd, 0x88);
    rows[i + 8] = _mm512_shuffle_f32x4(low_even, high_even, 0xDD);
    rows[i + 12] = _mm512_shuffle_f32x4(low_odd, high_odd, 0xDD);
  }
}

}  // namespace dpo4j::cpu::DPO4J_ISA
