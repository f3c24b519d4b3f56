// Shared by the CUDA kernel and the CPU for sequence_sum: where the tail of a sequence begins, and the factors of its tokens.
#pragma once

#include "dpo4j.h"
#include "host_device.h"

namespace dpo4j {

// One sequence of a call: [begin, tail) is its head and [tail, end) its tail. The tokens of the head have one factor and those of the tail
// another. The tail is the tokens beyond the length of the other completion of the pair; it is empty if tail_factor is 1.
struct SequenceRange {
  int64_t begin, tail, end;
  double factor, tail_factor;
};

DPO4J_HOST_DEVICE inline SequenceRange sequence_range(const dpo4j_sequences& x, int64_t sequence) {
  const int64_t begin = x.offsets[sequence], end = x.offsets[sequence + 1], tokens = end - begin;
  const double factor = x.average != 0 && tokens > 1 ? 1.0 / tokens : 1.0;
  if (x.tail_factor == 1) return {begin, end, end, factor, factor};
  const int64_t partner = sequence ^ 1, partner_tokens = static_cast<int64_t>(x.offsets[partner + 1]) - x.offsets[partner];
  return {begin, begin + (tokens < partner_tokens ? tokens : partner_tokens), end, factor, x.tail_factor * factor};
}

}  // namespace dpo4j
