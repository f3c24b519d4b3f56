// A cache-blocked matrix product. Panels of a and b are converted to fp32 and stored in the order in which the innermost loop reads them,
// which uses vector registers. Sanitizers see the accesses to the operands when panels are copied. The innermost loop is not instrumented,
// so that it is fast.
#include "gemm.h"

#include <stddef.h>

#include <algorithm>
#include <vector>

#include "../include/cuda_bf16.h"

namespace {

using Vector = float __attribute__((vector_size(16)));
constexpr int kLanes = 4;
constexpr int kRows = 4, kVectors = 2, kColumns = kVectors * kLanes;  // a tile: eight accumulators of the sixteen registers
constexpr int64_t kPanelRows = 64, kPanelColumns = 256, kPanelDepth = 256;

float load(const Matrix& matrix, int64_t i, int64_t j) {
  const int64_t at = i * matrix.row_step + j * matrix.column_step;
  return matrix.bf16 ? __bfloat162float(static_cast<const __nv_bfloat16*>(matrix.elements)[at])
                     : static_cast<const float*>(matrix.elements)[at];
}

void store(const Matrix& matrix, int64_t i, int64_t j, float value) {
  const int64_t at = i * matrix.row_step + j * matrix.column_step;
  if (matrix.bf16) {
    static_cast<__nv_bfloat16*>(matrix.elements)[at] = __float2bfloat16_rn(value);
  } else {
    static_cast<float*>(matrix.elements)[at] = value;
  }
}

// Copies rows [row, row + rows) and columns [column, column + columns) in groups of kRows rows, or kColumns columns; within a group, depth
// by depth. A last group that is not full is padded with 0.
void pack_rows(float* to, const Matrix& a, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  for (int64_t group = 0; group < rows; group += kRows) {
    for (int64_t j = 0; j < columns; j++) {
      for (int64_t i = group; i < group + kRows; i++) *to++ = i < rows ? load(a, row + i, column + j) : 0.0f;
    }
  }
}

void pack_columns(float* to, const Matrix& b, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  for (int64_t group = 0; group < columns; group += kColumns) {
    for (int64_t i = 0; i < rows; i++) {
      for (int64_t j = group; j < group + kColumns; j++) *to++ = j < columns ? load(b, row + i, column + j) : 0.0f;
    }
  }
}

// sums[kRows, kPanelColumns] += the product of one group of rows and one group of columns.
__attribute__((no_sanitize_address, no_sanitize_thread, no_sanitize_undefined)) void multiply(float* sums, const float* a, const float* b,
                                                                                              int64_t depth) {
  Vector tile[kRows][kVectors] = {};
  for (int64_t k = 0; k < depth; k++, a += kRows, b += kColumns) {
    Vector columns[kVectors];
    __builtin_memcpy(columns, b, sizeof columns);
    for (int i = 0; i < kRows; i++) {
      for (int j = 0; j < kVectors; j++) tile[i][j] += a[i] * columns[j];
    }
  }
  for (int i = 0; i < kRows; i++) {
    for (int j = 0; j < kColumns; j++) sums[i * kPanelColumns + j] += tile[i][j / kLanes][j % kLanes];
  }
}

void finish(const Matrix& d, const Matrix& c, const void* bias, const float* sums, int64_t row, int64_t rows, int64_t column,
            int64_t columns, float alpha, float beta) {
  const Matrix bias_column{const_cast<void*>(bias), d.bf16, 1, 0};
  for (int64_t i = 0; i < rows; i++) {
    const float row_bias = bias != nullptr ? load(bias_column, row + i, 0) : 0;
    for (int64_t j = 0; j < columns; j++) {
      float value = alpha * sums[i * kPanelColumns + j];
      if (beta != 0) value += beta * load(c, row + i, column + j);
      if (bias != nullptr) value += row_bias;
      store(d, row + i, column + j, value);
    }
  }
}

}  // namespace

void gemm(const Matrix& d, const Matrix& a, const Matrix& b, const Matrix& c, const void* bias, int64_t m, int64_t n, int64_t k,
          float alpha, float beta) {
  std::vector<float> a_panel(kPanelRows * kPanelDepth), b_panel(kPanelColumns * kPanelDepth), sums;
  sums.resize((m + kPanelRows - 1) / kPanelRows * kPanelRows * kPanelColumns);
  for (int64_t column = 0; column < n; column += kPanelColumns) {
    const int64_t columns = std::min(kPanelColumns, n - column);
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (int64_t depth = 0; depth < k; depth += kPanelDepth) {
      const int64_t steps = std::min(kPanelDepth, k - depth);
      pack_columns(b_panel.data(), b, depth, steps, column, columns);
      for (int64_t row = 0; row < m; row += kPanelRows) {
        const int64_t rows = std::min(kPanelRows, m - row);
        pack_rows(a_panel.data(), a, row, rows, depth, steps);
        for (int64_t j = 0; j < columns; j += kColumns) {
          for (int64_t i = 0; i < rows; i += kRows) {
            multiply(&sums[(row + i) * kPanelColumns + j], &a_panel[i * steps], &b_panel[j * steps], steps);
          }
        }
      }
    }
    finish(d, c, bias, sums.data(), 0, m, column, columns, alpha, beta);
  }
}
