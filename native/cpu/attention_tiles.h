// The tiles of attention, forward and backward. A tile stays in the cache while it is used.
//
// The query heads that share a kv head are stacked: row r of a (segment, kv head) is query r / group of head r % group. A tile holds
// kQueryRows such rows. The keys of the prefix and the segment's own keys form one list, and tiles of kKeys keys start at the first key of
// that list. So a completion with a shared prompt has the same tiles, and the same bits, as in a sequence that contains its prompt. With a
// window, rows skip the tiles of which they see no key.
#pragma once

#include "../dpo4j.h"
#include "storage.h"
#include "transpose_block.h"

namespace dpo4j::cpu::DPO4J_ISA {

constexpr int64_t kQueryRows = 128;
constexpr int64_t kKeys = 64;
constexpr int64_t kMaxHeadWidth = 256;

DPO4J_INLINE int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
DPO4J_INLINE int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }

// head_width rounded up to whole vectors: the row stride of packed tiles, which are padded with zeros.
DPO4J_INLINE int64_t padded(int64_t head_width) { return (head_width + kLanes - 1) / kLanes * kLanes; }

struct HeadGroup {
  int64_t kv_head;
  int64_t group;  // query heads that share it
  int64_t head_width;
  int64_t query_of(int64_t row) const { return row / group; }
  int64_t head_of(int64_t row) const { return kv_head * group + row % group; }
  // The offset of a stacked row in a [rows, heads, head_width] tensor.
  int64_t at(const dpo4j_segment& s, int64_t row, int64_t stride) const {
    return (s.query_begin + query_of(row)) * stride + head_of(row) * head_width;
  }
};

// The row of k and v of the key-th key that a segment sees.
DPO4J_INLINE int64_t key_row(const dpo4j_segment& s, int64_t key) {
  return key < s.prefix_count ? s.prefix_begin + key : s.key_begin + key - s.prefix_count;
}

// The window, or a number that no distance of a query and a key reaches.
DPO4J_INLINE int64_t window_of(const dpo4j_attention_shape& shape) { return shape.window > 0 ? shape.window : int64_t{1} << 40; }

struct Range {
  int64_t begin, end;
};

// Sums over the terms of `count` rows. range(i) is the terms of row i, and neither begins nor ends before that of the row before. The terms
// that all rows have are added by one call all(begin, end), the others by each(i, begin, end), and every row adds its terms from first to
// last. So the bits of a row do not depend on the rows beside it.
template <class RangeOf, class Each, class All>
DPO4J_INLINE void in_order(int64_t count, const RangeOf& range, const Each& each, const All& all) {
  const int64_t begin = range(count - 1).begin, end = max(begin, range(0).end);
  for (int64_t i = 0; i < count; i++) {
    const Range terms = range(i);
    if (terms.begin < min(begin, terms.end)) each(i, terms.begin, min(begin, terms.end));
  }
  if (begin < end) all(begin, end);
  for (int64_t i = 0; i < count; i++) {
    if (range(i).end > end) each(i, end, range(i).end);
  }
}

// Copies into a row of padded(width) elements.
template <class T>
DPO4J_INLINE void pack_row(float* out, const T* in, int64_t width, float scale) {
  each_vector(width, [&](int64_t i, auto lanes) { store(out + i, load(in + i, lanes) * scale); });
}

// Copies out of such a row.
template <class T>
DPO4J_INLINE void unpack_row(T* out, const float* in, int64_t width) {
  each_vector(width, [&](int64_t i, auto lanes) { store(out + i, load(in + i, lanes), lanes); });
}

// Fetches a row into the cache, one load per cache line. Loads in the order of memory make the processor fetch further lines by itself;
// prefetch instructions do not.
template <class T>
DPO4J_INLINE void fetch_row(const T* row, int64_t width) {
  constexpr int64_t kLine = 64 / sizeof(T);
  const auto fetch = [&](int64_t i) { static_cast<void>(*reinterpret_cast<const volatile char*>(row + i)); };
  for (int64_t i = 0; i < width; i += kLine) fetch(i);
  fetch(width - 1);
}

// Writes rows of `width` elements as columns of a [width, kKeys] tile. row(j) is row j of `count`. Columns from `count` up to a whole vector are
// copies of the last row, so that they can be multiplied; their products are not used.
template <class T, class Row>
DPO4J_INLINE void pack_columns(float* out, int64_t count, int64_t width, const Row& row) {
  for (int64_t j = 0; j < count; j += kBlock) {
    const T* rows[kBlock];
    for (int r = 0; r < kBlock; r++) rows[r] = row(min(j + r, count - 1));
    for (int64_t i = 0; i < width; i += kBlock) transpose_block(out + i * kKeys + j, kKeys, rows, i, width - i);
  }
}

}  // namespace dpo4j::cpu::DPO4J_ISA
