#pragma once

#include <stdint.h>

namespace dpo4j::cpu {

// Elements of a gradient that one task squares and sums.
constexpr int64_t kGradientBlock = 65536;

static inline constexpr int64_t gradient_blocks(int64_t count) { return (count + kGradientBlock - 1) / kGradientBlock; }

}  // namespace dpo4j::cpu
