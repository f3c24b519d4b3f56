#include "lm_head.h"

using dpo4j::Call;

namespace {

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
  return dpo4j::check_head(call, p, lack(context, p.dtype), ", use a matrix product and token_logprob_forward").run_on_cuda(p);
}
