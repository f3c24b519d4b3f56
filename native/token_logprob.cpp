#include "call.h"

using dpo4j::Call;
using dpo4j::TokenLogprobBackward;
using dpo4j::TokenLogprobForward;

int32_t dpo4j_token_logprob_forward(dpo4j_context* context, float* logprob, float* lse, const void* logits, const int32_t* targets,
                                    int64_t rows, int64_t vocabulary, int64_t logits_stride, int32_t dtype) {
  return Call(context, "token_logprob_forward")
      .dtype("dtype", dtype)
      .rows("rows", rows)
      .extent("vocabulary", vocabulary)
      .stride("logits_stride", logits_stride, "vocabulary", vocabulary, dtype)
      .tensor("logprob", logprob)
      .tensor("lse", lse)
      .tensor("logits", logits)
      .words("targets", targets)
      .run(TokenLogprobForward{logprob, lse, logits, targets, rows, vocabulary, logits_stride, dtype});
}

int32_t dpo4j_token_logprob_backward(dpo4j_context* context, void* d_logits, const void* logits, const int32_t* targets, const float* lse,
                                     const float* d_logprob, int64_t rows, int64_t vocabulary, int64_t d_logits_stride,
                                     int64_t logits_stride, int32_t d_logits_dtype, int32_t dtype) {
  const bool one_layout = d_logits_dtype == dtype && d_logits_stride == logits_stride;
  return Call(context, "token_logprob_backward")
      .dtype("dtype", dtype)
      .dtype("d_logits_dtype", d_logits_dtype)
      .rows("rows", rows)
      .extent("vocabulary", vocabulary)
      .stride("d_logits_stride", d_logits_stride, "vocabulary", vocabulary, d_logits_dtype)
      .stride("logits_stride", logits_stride, "vocabulary", vocabulary, dtype)
      .tensor("d_logits", d_logits)
      .tensor("logits", logits)
      .words("targets", targets)
      .tensor("lse", lse)
      .tensor("d_logprob", d_logprob)
      .require(d_logits != logits || one_layout, "d_logits", "must have the dtype and stride of logits where it is logits")
      .run(TokenLogprobBackward{d_logits, logits, targets, lse, d_logprob, rows, vocabulary, d_logits_stride, logits_stride, d_logits_dtype,
                                dtype});
}
