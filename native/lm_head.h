// The checks of arguments that lm_head_forward and lm_head_exponentials share.
#pragma once

#include <cstdint>

#include "call.h"
#include "hopper_kernel.h"
#include "kernel_names.h"
#include "workspace.h"

namespace dpo4j {

// Checks what is in the params of both. `lacks`: why the context cannot run the call, or null. `instead`: what to use then.
template <class Params>
Call& check_head(Call& call, const Params& p, const char* lacks, const char* instead) {
  constexpr int64_t kTile = 128, kMaxTiles = UINT32_MAX;  // min rows and columns of a tile; tile numbers have 32 bits
  return call.supported(lacks == nullptr, lacks, instead)
      .rows("rows", p.rows)
      .extent("vocabulary", p.vocabulary)
      .extent("hidden_width", p.hidden_width)
      .require(p.rows / kTile * (p.vocabulary / kTile) <= kMaxTiles, "rows", "must be fewer in one call of so large a vocabulary")
      .stride("hidden_stride", p.hidden_stride, "hidden_width", p.hidden_width, p.dtype)
      .stride("weight_stride", p.weight_stride, "hidden_width", p.hidden_width, p.dtype)
      .transform(p.transform)
      .words("logprob", p.logprob)
      .words("lse", p.lse)
      .tensor_or_null("statistics", p.statistics)
      .tensor("workspace", p.workspace)
      .tensor("hidden", p.hidden)
      .tensor("weight", p.weight)
      .words("targets", p.targets);
}

}  // namespace dpo4j
