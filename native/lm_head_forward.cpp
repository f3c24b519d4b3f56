#include "call.h"
#include "workspace.h"

using dpo4j::Call;
using dpo4j::LmHeadForward;

namespace {

constexpr int64_t kTile = 128, kMostTiles = UINT32_MAX;  // tiles have at least so many rows and columns, and are numbered in 32 bits

bool on_hopper([[maybe_unused]] const dpo4j_context* context) {
#ifdef DPO4J_WITH_CUDA
  return context != nullptr && context->device == DPO4J_CUDA && dpo4j::cuda::has_lm_head_forward(context->queue);
#else
  return false;
#endif
}

}  // namespace

int32_t dpo4j_lm_head_forward_supported(const dpo4j_context* context, int32_t dtype) {
  return dtype == DPO4J_BF16 && on_hopper(context) ? 1 : 0;
}

size_t dpo4j_lm_head_forward_workspace_bytes([[maybe_unused]] int64_t rows, [[maybe_unused]] int64_t vocabulary) {
#ifdef DPO4J_WITH_CUDA
  return dpo4j::all_positive(rows, vocabulary) ? dpo4j::cuda::lm_head_forward_workspace_bytes(rows, vocabulary) : 0;
#else
  return 0;
#endif
}

int32_t dpo4j_lm_head_forward(dpo4j_context* context, float* logprob, float* lse, void* workspace, const void* hidden, const void* weight,
                              const float* bias, const int32_t* targets, int64_t rows, int64_t vocabulary, int64_t hidden_width,
                              int64_t hidden_stride, int64_t weight_stride, float scale, float cap, int32_t dtype) {
  Call call(context, "lm_head_forward");
  call.supported(!call.on_cpu(), "cpu contexts have no such operation, use matmul and token_logprob_forward")
      .supported(context == nullptr || on_hopper(context),
                 "it needs compute capability 9.0 and code for sm_90a, use a matrix product and token_logprob_forward")
      .supported(dtype == DPO4J_BF16, "dtype must be DPO4J_BF16 (1), use a matrix product and token_logprob_forward for others")
      .rows("rows", rows)
      .extent("vocabulary", vocabulary)
      .extent("hidden_width", hidden_width)
      .require(rows / kTile * (vocabulary / kTile) <= kMostTiles, "rows", "must be fewer in one call of so large a vocabulary")
      .stride("hidden_stride", hidden_stride, "hidden_width", hidden_width, dtype)
      .stride("weight_stride", weight_stride, "hidden_width", hidden_width, dtype)
      .transform({bias, scale, cap})
      .words("logprob", logprob)
      .words("lse", lse)
      .tensor("workspace", workspace)
      .tensor("hidden", hidden)
      .tensor("weight", weight)
      .words("targets", targets);
  return call.run_on_cuda(LmHeadForward{
      logprob, lse, workspace, hidden, weight, targets, rows, vocabulary, hidden_width, hidden_stride, weight_stride, {bias, scale, cap}});
}
