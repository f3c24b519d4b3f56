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
Call& check_gradient(Call& call, const Params& p) {
  const bool one_layout = p.d_logits_dtype == p.dtype && p.d_logits_stride == p.logits_stride;
  return call.logits_dtype("d_logits_dtype", p.d_logits_dtype)
      .stride("d_logits_stride", p.d_logits_stride, "vocabulary", p.vocabulary, p.d_logits_dtype)
      .tensor("d_logits", p.d_logits)
      .require(p.d_logits == nullptr || p.d_logits != p.logits || one_layout, "d_logits",
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
  return check_gradient(call, *params).words("lse", params->lse).words("d_logprob", params->d_logprob).run(*params);
}

int32_t dpo4j_token_logprob_forward_backward(dpo4j_context* context, const dpo4j_token_logprob_forward_backward_params* params) {
  Call call(context, "token_logprob_forward_backward");
  if (call.params(params).refused()) return call.status();
  check_logits(call, *params);
  return check_gradient(call, *params)
      .words("logprob", params->logprob)
      .words("lse", params->lse)
      .tensor_or_null("statistics", params->statistics)
      .words_or_null("d_logprob", params->d_logprob)
      .run(*params);
}
