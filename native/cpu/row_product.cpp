// Compiled for AVX2. Processors with AVX-512 use it for one row and for two of a b that is stored by rows, which are bound by memory.
#include "row_product.h"

#include <immintrin.h>

#include "transpose.h"

namespace dpo4j::cpu {
namespace {

#define DPO4J_INLINE inline __attribute__((always_inline))

constexpr int kVector = kTransposed;

// out[i] holds element i of the eight rows of b. Elements from `count` on are 0.
DPO4J_INLINE void load_transposed(__m256 out[kVector], const float* b, int64_t stride, int64_t count) {
  const __m256i mask = lanes_below(count);
  for (int i = 0; i < kVector; i++) out[i] = count >= kVector ? _mm256_loadu_ps(b + i * stride) : _mm256_maskload_ps(b + i * stride, mask);
  transpose(out);
}

// Prefetches a part of the next group of columns, in order of addresses: as many bytes as eight elements of eight rows. The hardware prefetcher does
// not do it: the rows of a group are too many streams. Rows whose distance is a multiple of 4 KiB share one set of L1, so a prefetch column by
// column would evict them before they are used.
DPO4J_INLINE void fetch_ahead(const float* b) {
  constexpr int kLine = 16;
  for (int i = 0; i < kVector * kVector; i += kLine) __builtin_prefetch(b + i);
}

// Adds a block to two vectors of a row of c.
DPO4J_INLINE void add_block(float* c, const __m256 sums[2], bool is_first) {
  for (int j = 0; j < 2; j++) {
    float* at = c + j * kVector;
    _mm256_storeu_ps(at, is_first ? sums[j] : _mm256_add_ps(_mm256_loadu_ps(at), sums[j]));
  }
}

// One or two rows: each element of b is used as it is loaded.
template <int kRows>
DPO4J_INLINE void block_of_rows(const RowProduct& p, int64_t column, int64_t begin, int64_t length) {
  __m256 sums[kRows][2] = {};
  for (int64_t at = begin; at < begin + length; at += kVector) {
    const int64_t count = begin + length - at;
    for (int j = 0; j < 2; j++) {
      __m256 b[kVector];
      load_transposed(b, p.b + (column + j * kVector) * p.b_stride + at, p.b_stride, count);
      fetch_ahead(p.b + (column + kProductColumns) * p.b_stride + at * kProductColumns + j * kVector * kVector);
      for (int i = 0; i < kVector && i < count; i++) {
        for (int r = 0; r < kRows; r++) sums[r][j] = _mm256_fmadd_ps(_mm256_set1_ps(p.a[r * p.a_stride + at + i]), b[i], sums[r][j]);
      }
    }
  }
  for (int r = 0; r < kRows; r++) add_block(p.c + r * p.c_stride + column, sums[r], begin == 0 && !p.accumulate);
}

// A packed block of b, or a block of a panel, which has the same layout. `ahead` are lines that each pass over it prefetches: a part of the next
// block of panels.
struct PackedBlock {
  const float* words;
  int64_t column, begin, length;
  const float* ahead;
  int64_t lines_ahead;
};

template <int kRows>
DPO4J_INLINE void packed_rows(const RowProduct& p, const PackedBlock& block, int64_t row) {
  __m256 sums[kRows][2] = {};
  const float* const packed = block.words;
  const float* a = p.a + row * p.a_stride + block.begin;
  for (int64_t i = 0; i < block.length; i++) {
    if (i < block.lines_ahead) __builtin_prefetch(block.ahead + i * kProductColumns);
    const __m256 low = _mm256_loadu_ps(packed + i * kProductColumns), high = _mm256_loadu_ps(packed + i * kProductColumns + kVector);
    for (int r = 0; r < kRows; r++) {
      const __m256 x = _mm256_set1_ps(a[r * p.a_stride + i]);
      sums[r][0] = _mm256_fmadd_ps(x, low, sums[r][0]);
      sums[r][1] = _mm256_fmadd_ps(x, high, sums[r][1]);
    }
  }
  for (int r = 0; r < kRows; r++) add_block(p.c + (row + r) * p.c_stride + block.column, sums[r], block.begin == 0 && !p.accumulate);
}

// Up to six rows: their sums fill 12 of 16 registers. Returns their number.
int64_t next_rows(const RowProduct& p, const PackedBlock& block, int64_t row) {
  const int64_t left = p.rows - row;
  const int64_t rows = left <= 6 ? left : left <= 8 ? 4 : left <= 10 ? 5 : 6;
  switch (rows) {
    case 6:
      packed_rows<6>(p, block, row);
      break;
    case 5:
      packed_rows<5>(p, block, row);
      break;
    case 4:
      packed_rows<4>(p, block, row);
      break;
    case 3:
      packed_rows<3>(p, block, row);
      break;
    case 2:
      packed_rows<2>(p, block, row);
      break;
    default:
      packed_rows<1>(p, block, row);
  }
  return rows;
}

// More rows: a transposed copy of the block serves all of them.
void packed_block(const RowProduct& p, int64_t column, int64_t begin, int64_t length) {
  float packed[(kMaxBlock + kVector) * kProductColumns];
  for (int64_t at = 0; at < length; at += kVector) {
    for (int j = 0; j < 2; j++) {
      __m256 b[kVector];
      load_transposed(b, p.b + (column + j * kVector) * p.b_stride + begin + at, p.b_stride, length - at);
      fetch_ahead(p.b + (column + kProductColumns) * p.b_stride + (begin + at) * kProductColumns + j * kVector * kVector);
      for (int i = 0; i < kVector; i++) _mm256_storeu_ps(packed + (at + i) * kProductColumns + j * kVector, b[i]);
    }
  }
  const PackedBlock block = {packed, column, begin, length, nullptr, 0};
  for (int64_t row = 0; row < p.rows;) row += next_rows(p, block, row);
}

// A block of a panel, read where it is. The next block follows it in memory, or is the first of the next panel.
void panel_block(const RowProduct& p, int64_t column, int64_t begin, int64_t length) {
  constexpr int64_t kPassRows = 6;
  const float* panel = p.b + column * p.b_stride;
  const float* ahead = begin + length < p.k ? panel + (begin + length) * kProductColumns : panel + kProductColumns * p.b_stride;
  const int64_t passes = (p.rows + kPassRows - 1) / kPassRows, lines = (length + passes - 1) / passes;
  PackedBlock block = {panel + begin * kProductColumns, column, begin, length, ahead, lines};
  for (int64_t row = 0; row < p.rows; block.ahead += lines * kProductColumns) row += next_rows(p, block, row);
}

}  // namespace

void multiply_rows(const RowProduct& p) {
  for (int64_t column = 0; column < p.columns; column += kProductColumns) {
    for (int64_t begin = 0; begin < p.k;) {
      const int64_t length = split_k(p.k - begin, p.block);
      if (p.has_panels) {
        panel_block(p, column, begin, length);
      } else if (p.rows == 1) {
        block_of_rows<1>(p, column, begin, length);
      } else if (p.rows == 2) {
        block_of_rows<2>(p, column, begin, length);
      } else {
        packed_block(p, column, begin, length);
      }
      begin += length;
    }
  }
}

}  // namespace dpo4j::cpu
