// Stores a matrix [rows, columns] in panels, in place, or a matrix in panels by rows. Word (i, j) of a panel is word i of its row j. A task copies a
// panel to scratch memory, and writes it back in the other order: 8 x 8 words at a time are transposed in registers.
#include "cpu.h"
#include "row_product.h"
#include "transpose.h"
#include "vector.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

constexpr int64_t kBlockWords = kTransposed;

// Rows of `in` become columns of `out`. At most 8 x 8 words.
DPO4J_INLINE void transpose_words(float* out, int64_t out_stride, const float* in, int64_t in_stride, int64_t rows, int64_t columns) {
  __m256 block[kBlockWords];
  const __m256i of_columns = lanes_below(columns), of_rows = lanes_below(rows);
  for (int64_t i = 0; i < kBlockWords; i++) block[i] = i < rows ? _mm256_maskload_ps(in + i * in_stride, of_columns) : _mm256_setzero_ps();
  transpose(block);
  for (int64_t i = 0; i < columns; i++) _mm256_maskstore_ps(out + i * out_stride, of_rows, block[i]);
}

void pack_panel(float* panel, const float* rows, int64_t words) {
  for (int64_t at = 0; at < words; at += kBlockWords) {
    for (int64_t row = 0; row < kProductColumns; row += kBlockWords) {
      transpose_words(panel + at * kProductColumns + row, kProductColumns, rows + row * words + at, words, kBlockWords,
                      words - at < kBlockWords ? words - at : kBlockWords);
    }
  }
}

void unpack_panel(float* rows, const float* panel, int64_t words) {
  for (int64_t at = 0; at < words; at += kBlockWords) {
    for (int64_t row = 0; row < kProductColumns; row += kBlockWords) {
      transpose_words(rows + row * words + at, words, panel + at * kProductColumns + row, kProductColumns,
                      words - at < kBlockWords ? words - at : kBlockWords, kBlockWords);
    }
  }
}

}  // namespace

void run(Threads& threads, const dpo4j_pack_panels_params& p) {
  const int64_t words = p.columns * (p.dtype == DPO4J_F32 ? 4 : 2) / 4;
  parallel(threads, p.rows / kProductColumns, [&](int64_t panel, void* scratch) {
    float* const at = static_cast<float*>(p.matrix) + panel * kProductColumns * words;
    float* const copy = static_cast<float*>(scratch);
    __builtin_memcpy(copy, at, kProductColumns * words * sizeof(float));
    p.unpacks ? unpack_panel(at, copy, words) : pack_panel(at, copy, words);
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
