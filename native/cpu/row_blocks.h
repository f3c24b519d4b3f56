// For sums over rows: the blocks of rows that tasks sum. How rows are cut into blocks depends only on their number.
#pragma once

#include <stdint.h>

namespace dpo4j::cpu {

constexpr int64_t kMaxRowBlocks = 64;
constexpr int64_t kMinBlockRows = 16;

static inline constexpr int64_t row_blocks(int64_t rows) {
  const int64_t blocks = (rows + kMinBlockRows - 1) / kMinBlockRows;
  return blocks < kMaxRowBlocks ? blocks : kMaxRowBlocks;
}

// The first row of a block; block row_blocks(rows) begins at rows.
static inline constexpr int64_t block_begin(int64_t rows, int64_t block) { return rows * block / row_blocks(rows); }

}  // namespace dpo4j::cpu
