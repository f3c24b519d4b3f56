// Ranges of keys into which attention_forward splits the keys of single queries (max_keys above 0). Key 0 of a query's list begins a range. So
// the ranges of a query depend on the number of its keys alone.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace dpo4j {

constexpr int32_t kRangeKeys = 256;

// The max number of ranges of which a query sees a key. A window of w keys begins anywhere in a range.
inline int64_t max_ranges(int64_t max_keys, int64_t window) {
  const int64_t all = (max_keys + kRangeKeys - 1) / kRangeKeys;
  if (window <= 0) return all;
  const int64_t in_window = (window - 1 + kRangeKeys - 1) / kRangeKeys + 1;
  return in_window < all ? in_window : all;
}

// Bytes of the partial results: for each range of a head of a segment, head_width sums of values, a maximum and a sum of weights.
inline size_t ranges_bytes(int64_t segment_count, int64_t heads, int64_t head_width, int64_t ranges) {
  return static_cast<size_t>(segment_count) * heads * ranges * (head_width + 2) * sizeof(float);
}

}  // namespace dpo4j
