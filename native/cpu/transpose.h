// Transposes 8 x 8 floats in registers, for instruction sets with AVX2.
#pragma once

#ifdef __AVX2__
#include <immintrin.h>

namespace dpo4j::cpu {

constexpr int kTransposed = 8;

// Row i becomes column i.
inline __attribute__((always_inline)) void transpose(__m256 rows[kTransposed]) {
  __m256 pair[kTransposed], four[kTransposed];
  for (int i = 0; i < kTransposed; i += 2) {
    pair[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
    pair[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < kTransposed; i += 4) {
    four[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
    four[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xEE);
    four[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
    four[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xEE);
  }
  for (int i = 0; i < 4; i++) {
    rows[i] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x20);
    rows[i + 4] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x31);
  }
}

// Lanes below `count`; all lanes if `count` is at least 8.
inline __attribute__((always_inline)) __m256i lanes_below(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

}  // namespace dpo4j::cpu
#endif
