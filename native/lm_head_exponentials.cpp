#include "lm_head.h"

using dpo4j::Call;

namespace {

const char* lack(const dpo4j_context* context, int32_t dtype) {
  return dpo4j::lack_of(context, dpo4j::kLmHeadExponentialsSm90a, "its kernel lm_head_exponentials_sm90a is turned off (DPO4J_WITHOUT)",
                        dtype);
}

}  // namespace

const char* dpo4j_lm_head_exponentials_lacks(const dpo4j_context* context, int32_t dtype) {
  const char* lacks = lack(context, dtype);
  return lacks == nullptr ? "" : lacks;
}

size_t dpo4j_lm_head_exponentials_workspace_bytes([[maybe_unused]] int64_t rows, [[maybe_unused]] int64_t vocabulary) {
#ifdef DPO4J_WITH_CUDA
  return dpo4j::all_positive(rows, vocabulary) ? dpo4j::cuda::lm_head_exponentials_workspace_bytes(rows, vocabulary) : 0;
#else
  return 0;
#endif
}

int32_t dpo4j_lm_head_exponentials(dpo4j_context* context, const dpo4j_lm_head_exponentials_params* params) {
  Call call(context, "lm_head_exponentials");
  if (call.params(params).refused()) return call.status();
  const dpo4j_lm_head_exponentials_params& p = *params;
  return dpo4j::check_head(call, p, lack(context, p.dtype), ", use a matrix product and token_logprob_forward_backward")
      .stride("exponentials_stride", p.exponentials_stride, "vocabulary", p.vocabulary, p.dtype)
      .words("factors", p.factors)
      .tensor("exponentials", p.exponentials)
      .run_on_cuda(p);
}
