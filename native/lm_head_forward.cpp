#include "call.h"
#include "hopper_kernel.h"
#include "workspace.h"

using dpo4j::Call;

namespace {

constexpr int64_t kTile = 128, kMaxTiles = UINT32_MAX;  // min rows and columns of a tile; tile numbers have 32 bits

const char* lack(const dpo4j_context* context, int32_t dtype) {
  return dpo4j::lack_of(context, dpo4j::kLmHeadForwardSm90a, "its kernel lm_head_forward_sm90a is turned off (DPO4J_WITHOUT)", dtype);
}

}  // namespace

const char* dpo4j_lm_head_forward_lacks(const dpo4j_context* context, int32_t dtype) {
  const char* lacks = lack(context, dtype);
  return lacks == nullptr ? "" : lacks;
}

size_t dpo4j_lm_head_forward_workspace_bytes([[maybe_unused]] int64_t rows, [[maybe_unused]] int64_t vocabulary) {
#ifdef DPO4J_WITH_CUDA
  return dpo4j::all_positive(rows, vocabulary) ? dpo4j::cuda::lm_head_forward_workspace_bytes(rows, vocabulary) : 0;
#else
  return 0;
#endif
}

int32_t dpo4j_lm_head_forward(dpo4j_context* context, const dpo4j_lm_head_forward_params* params) {
  Call call(context, "lm_head_forward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_lm_head_forward_params& p = *params;
  const char* lacks = lack(context, p.dtype);
  return call.supported(lacks == nullptr, lacks, ", use a matrix product and token_logprob_forward")
      .rows("rows", p.rows)
      .extent("vocabulary", p.vocabulary)
      .extent("hidden_width", p.hidden_width)
      .require(p.rows / kTile * (p.vocabulary / kTile) <= kMaxTiles, "rows", "must be fewer in one call of so large a vocabulary")
      .stride("hidden_stride", p.hidden_stride, "hidden_width", p.hidden_width, p.dtype)
      .stride("weight_stride", p.weight_stride, "hidden_width", p.hidden_width, p.dtype)
      .transform(p.transform)
      .words("logprob", p.logprob)
      .words("lse", p.lse)
      .tensor("workspace", p.workspace)
      .tensor("hidden", p.hidden)
      .tensor("weight", p.weight)
      .words("targets", p.targets)
      .run_on_cuda(p);
}
