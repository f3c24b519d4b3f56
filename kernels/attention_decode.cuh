// Attention of one query a segment over long lists of keys, as in decoding (flash-decoding, Dao et al. 2023): the keys are split into ranges
// of kRangeKeys (attention_ranges.h). A block computes one range of one segment and key head: for each query head of the group the maximum of
// its scores, the sum of its weights, and the sum of its weights times values. If the query sees one range only, the block divides and stores
// the result. Otherwise it stores the three, and a second kernel (attention_decode.cu) merges the ranges of a head in order.
//
// Ranges start at multiples of kRangeKeys in the list of a query's keys. So the bits of a query depend on its keys alone, not on the number of
// SMs, on other segments, or on the max number of ranges, with which the grid is launched. A block whose range no query sees ends at once.
#pragma once

#include "../native/attention_ranges.h"
#include "attention.cuh"

namespace dpo4j::cuda::attention {

// The partial results of all ranges.
struct Ranges {
  float* values;    // [segments, heads, max_count, head_width]: sum of weights times values
  float2* weights;  // [segments, heads, max_count]: maximum of the scores in base 2, and sum of weights
  int32_t max_count;

  __device__ __forceinline__ int64_t at(int64_t segment, int64_t heads, int64_t head, int32_t index) const {
    return (segment * heads + head) * max_count + index;
  }
};

inline Ranges ranges_of(const dpo4j_attention_forward_params& x) {
  const int64_t count = max_ranges(x.max_keys, x.shape.window);
  float* const values = static_cast<float*>(x.workspace);
  float* const weights = values + x.segment_count * x.shape.heads * count * x.shape.head_width;
  return {values, reinterpret_cast<float2*>(weights), static_cast<int32_t>(count)};
}

// The ranges of which a query sees a key.
struct SeenRanges {
  int32_t first, count, key_begin, key_end;  // the keys that it sees are [key_begin, key_end)

  __device__ __forceinline__ SeenRanges(const dpo4j_attention_shape& shape, int32_t last_key) {
    key_begin = first_seen<true>(shape, last_key);
    key_end = last_key + 1;
    first = key_begin / kRangeKeys;
    count = last_key / kRangeKeys - first + 1;
  }
  // Whether there are partial results for all of them: not if the query has more keys than max_keys.
  __device__ __forceinline__ bool fit(const Ranges& ranges) const { return count <= ranges.max_count; }
  // Whether the range with this index has something to store. If the ranges do not fit, the first stores NaN as results.
  __device__ __forceinline__ bool has_block(int32_t index, const Ranges& ranges) const {
    return index < count && (index == 0 || fit(ranges));
  }
  // The keys of the range with this index among them: [begin(index), end(index)).
  __device__ __forceinline__ int32_t begin(int32_t index) const { return max(key_begin, (first + index) * kRangeKeys); }
  __device__ __forceinline__ int32_t end(int32_t index) const { return min(key_end, (first + index + 1) * kRangeKeys); }
};

// Queues the ranges of fp32 (attention_forward.cu), and their merge.
int decode_fma(const LaunchContext& context, const dpo4j_attention_forward_params& x, const Ranges& ranges);
// Queues the ranges of bf16, and their merge (attention_decode.cu).
int decode(const LaunchContext& context, const dpo4j_attention_forward_params& x);

}  // namespace dpo4j::cuda::attention
