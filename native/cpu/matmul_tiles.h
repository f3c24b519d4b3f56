// The tiles of c in matrix products. A task computes one.
#pragma once

#include <stdint.h>

namespace dpo4j::cpu {

constexpr int64_t kRows = 144;  // max per tile
constexpr int64_t kColumnMultiple = 16;
constexpr int64_t kFewRowsMultiple = 64, kFewRowsTiles = 8;

static inline constexpr int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

// Columns per tile for n columns. All tiles but the last are equally wide, in whole cache lines of fp32. If `few_rows`, tiles are so narrow
// that there are about kFewRowsTiles, so that threads have equally much work. Otherwise they are wide, because a may be packed for each tile.
static inline constexpr int64_t tile_columns(int64_t n, bool few_rows, int64_t max_columns) {
  if (few_rows) {
    const int64_t width = (n / kFewRowsTiles + kFewRowsMultiple - 1) / kFewRowsMultiple * kFewRowsMultiple;
    return width < kFewRowsMultiple ? kFewRowsMultiple : min(width, max_columns);
  }
  const int64_t tiles = (n + max_columns - 1) / max_columns;
  const int64_t equal = (n + tiles - 1) / tiles;
  return (equal + kColumnMultiple - 1) / kColumnMultiple * kColumnMultiple;
}

}  // namespace dpo4j::cpu
