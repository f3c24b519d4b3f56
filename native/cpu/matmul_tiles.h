// The tiles of c in matrix products. A task computes one.
#pragma once

#include <stdint.h>

namespace dpo4j::cpu {

constexpr int64_t kRows = 144;  // max per tile
constexpr int64_t kColumnMultiple = 16;
constexpr int64_t kMinTileColumns = 64, kMaxTileColumns = 1024;

static inline constexpr int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

static inline constexpr int64_t whole_multiples(int64_t n) { return (n + kColumnMultiple - 1) / kColumnMultiple * kColumnMultiple; }

// Columns per tile for n columns. All tiles but the last are equally wide, in whole cache lines of fp32.
static inline constexpr int64_t tile_columns(int64_t n, int64_t max_columns) {
  const int64_t tiles = (n + max_columns - 1) / max_columns;
  return whole_multiples((n + tiles - 1) / tiles);
}

// The same for products that are bound by reading b. Threads have equally many tiles, and tiles are wide: a product fetches the columns that
// it multiplies next, and at the end of a tile these are another thread's. Results do not depend on the width of tiles.
static inline constexpr int64_t thread_tile_columns(int64_t n, int64_t threads, int64_t max_columns) {
  const int64_t whole = min(max_columns, kMaxTileColumns) / kColumnMultiple * kColumnMultiple;
  const int64_t tiles = threads * ((n + threads * whole - 1) / (threads * whole));
  const int64_t width = whole_multiples((n + tiles - 1) / tiles);
  return width < kMinTileColumns ? kMinTileColumns : width;
}

}  // namespace dpo4j::cpu
