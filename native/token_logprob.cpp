#include "call.h"

using dpo4j::Call;

namespace {

// The arguments that every call has: logits, their transform, targets and row indices.
template <class Params>
Call& check_logits(Call& call, const Params& p) {
  return call.logits_dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("vocabulary", p.vocabulary)
      .stride("logits_stride", p.logits_stride, "vocabulary", p.vocabulary, p.dtype)
      .transform(p.transform)
      .tensor("logits", p.logits)
      .words("targets", p.targets)
      .words_or_null("row_index", p.row_index);
}

template <class Params>
bool has_layout_of_logits(const Params& p) {
  return p.d_logits_dtype == p.dtype && p.d_logits_stride == p.logits_stride;
}

// Whether the gradient may be where the logits are. That of forward_backward may also have 16 bits, with rows that begin where those of F32
// logits begin.
bool may_alias(const dpo4j_context*, const dpo4j_token_logprob_backward_params& p) { return has_layout_of_logits(p); }

bool may_alias(const dpo4j_context* context, const dpo4j_token_logprob_forward_backward_params& p) {
  const bool narrows = p.dtype == DPO4J_F32 && p.d_logits_dtype != DPO4J_F32 && p.d_logits_stride == 2 * p.logits_stride;
  return has_layout_of_logits(p) || (narrows && dpo4j_token_logprob_narrows_in_place(context, p.vocabulary) != 0);
}

template <class Params>
Call& check_gradient(Call& call, const dpo4j_context* context, const Params& p) {
  return call.logits_dtype("d_logits_dtype", p.d_logits_dtype)
      .stride("d_logits_stride", p.d_logits_stride, "vocabulary", p.vocabulary, p.d_logits_dtype)
      .tensor("d_logits", p.d_logits)
      .require(p.d_logits == nullptr || p.d_logits != p.logits || may_alias(context, p), "d_logits",
               "must have the dtype and stride of logits where it is logits");
}

}  // namespace

int32_t dpo4j_token_logprob_forward(dpo4j_context* context, const dpo4j_token_logprob_forward_params* params) {
  Call call(context, "token_logprob_forward");
  if (call.params(params).refused()) return call.status();
  return check_logits(call, *params)
      .words("logprob", params->logprob)
      .words("lse", params->lse)
      .tensor_or_null("statistics", params->statistics)
      .run(*params);
}

int32_t dpo4j_token_logprob_backward(dpo4j_context* context, const dpo4j_token_logprob_backward_params* params) {
  Call call(context, "token_logprob_backward");
  if (call.params(params).refused()) return call.status();
  check_logits(call, *params);
  return check_gradient(call, context, *params).words("lse", params->lse).words("d_logprob", params->d_logprob).run(*params);
}

int32_t dpo4j_token_logprob_forward_backward(dpo4j_context* context, const dpo4j_token_logprob_forward_backward_params* params) {
  Call call(context, "token_logprob_forward_backward");
  if (call.params(params).refused()) return call.status();
  check_logits(call, *params);
  return check_gradient(call, context, *params)
      .words("logprob", params->logprob)
      .words("lse", params->lse)
      .tensor_or_null("statistics", params->statistics)
      .words_or_null("d_logprob", params->d_logprob)
      .run(*params);
}

int32_t dpo4j_token_logprob_narrows_in_place(const dpo4j_context* context, int64_t vocabulary) {
  if (context == nullptr || vocabulary < 1 || vocabulary > INT32_MAX) return 0;
#ifdef DPO4J_WITH_CUDA
  if (context->device == DPO4J_CUDA) return dpo4j::cuda::token_logprob_holds_row(context->cuda, vocabulary) ? 1 : 0;
#endif
  return 1;
}
