// row_product.h with vectors of AVX-512, for three rows or more.
#include "packed_product.h"
#include "row_product.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

// Packs `length` elements of kLanes rows of b. If kFetches, also fetches the same elements of the next group, whose rows are `ahead` elements
// further, into the cache: the rows of a group are too many streams for the processor's own prefetching.
template <bool kFetches>
DPO4J_INLINE void pack_vector(float* out, int64_t out_stride, const float* b, int64_t b_stride, int64_t length, int64_t ahead) {
  for (int64_t at = 0; at < length; at += kLanes) {
    __m512 block[kLanes];
    const Part part = {static_cast<int>(length - at < kLanes ? length - at : kLanes)};
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) {
      block[i] = _mm512_maskz_loadu_ps(first_lanes(part), b + i * b_stride + at);
      if (kFetches) __builtin_prefetch(b + i * b_stride + at + ahead);
    }
    transpose_words(block);
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) _mm512_storeu_ps(out + (at + i) * out_stride, block[i]);
  }
}

}  // namespace

void multiply_rows(const RowProduct& p, float* packed) {
  each_group(p.columns / kLanes, [&](int64_t first, int64_t vectors) {
    const int64_t column = first * kLanes, width = vectors * kLanes, step = ahead_step(p.rows, vectors);
    for (int64_t begin = 0; begin < p.k;) {
      const int64_t length = split_k(p.k - begin, p.block);
      for (int64_t j = 0; j < width; j += kLanes) {
        const float* rows = p.b + (column + j) * p.b_stride + begin;
        step > 0 ? pack_vector<false>(packed + j, width, rows, p.b_stride, length, 0)
                 : pack_vector<true>(packed + j, width, rows, p.b_stride, length, width * p.b_stride);
      }
      const auto next = reinterpret_cast<const char*>(p.b + (column + width) * p.b_stride + begin * width);
      const auto a = reinterpret_cast<const uint32_t*>(p.a + begin), b = reinterpret_cast<const uint32_t*>(packed);
      packed_product<Fp32Words>({p.c + column, a, b, p.c_stride, p.a_stride, 1, p.rows, length, begin > 0 || p.accumulate, {next, step}},
                                vectors);
      begin += length;
    }
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
