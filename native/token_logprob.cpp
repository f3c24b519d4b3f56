#include "call.h"

using dpo4j::Call;
using dpo4j::LogitTransform;
using dpo4j::TokenLogprobBackward;
using dpo4j::TokenLogprobForward;
using dpo4j::TokenLogprobForwardBackward;

namespace {

// The rows of logits that every call reads, and what the softmax sees of them.
Call& check_logits(Call& call, const void* logits, const int32_t* targets, const int32_t* row_index, const LogitTransform& transform,
                   int64_t rows, int64_t vocabulary, int64_t logits_stride, int32_t dtype) {
  return call.logits_dtype("dtype", dtype)
      .rows("rows", rows)
      .extent("vocabulary", vocabulary)
      .stride("logits_stride", logits_stride, "vocabulary", vocabulary, dtype)
      .transform(transform)
      .tensor("logits", logits)
      .words("targets", targets)
      .words_or_null("row_index", row_index);
}

Call& check_gradient(Call& call, const void* d_logits, const void* logits, int64_t vocabulary, int64_t d_logits_stride,
                     int64_t logits_stride, int32_t d_logits_dtype, int32_t dtype) {
  const bool one_layout = d_logits_dtype == dtype && d_logits_stride == logits_stride;
  return call.logits_dtype("d_logits_dtype", d_logits_dtype)
      .stride("d_logits_stride", d_logits_stride, "vocabulary", vocabulary, d_logits_dtype)
      .tensor("d_logits", d_logits)
      .require(d_logits == nullptr || d_logits != logits || one_layout, "d_logits",
               "must have the dtype and stride of logits where it is logits");
}

}  // namespace

int32_t dpo4j_token_logprob_forward(dpo4j_context* context, float* logprob, float* lse, float* statistics, const void* logits,
                                    const int32_t* targets, const int32_t* row_index, const float* bias, int64_t rows, int64_t vocabulary,
                                    int64_t logits_stride, float scale, float cap, int32_t dtype) {
  Call call(context, "token_logprob_forward");
  const LogitTransform transform{bias, scale, cap};
  return check_logits(call, logits, targets, row_index, transform, rows, vocabulary, logits_stride, dtype)
      .words("logprob", logprob)
      .words("lse", lse)
      .tensor_or_null("statistics", statistics)
      .run(TokenLogprobForward{logprob, lse, statistics, logits, targets, row_index, rows, vocabulary, logits_stride, transform, dtype});
}

int32_t dpo4j_token_logprob_backward(dpo4j_context* context, void* d_logits, const void* logits, const int32_t* targets,
                                     const int32_t* row_index, const float* bias, const float* lse, const float* d_logprob, int64_t rows,
                                     int64_t vocabulary, int64_t d_logits_stride, int64_t logits_stride, float scale, float cap,
                                     int32_t d_logits_dtype, int32_t dtype) {
  Call call(context, "token_logprob_backward");
  const LogitTransform transform{bias, scale, cap};
  check_logits(call, logits, targets, row_index, transform, rows, vocabulary, logits_stride, dtype);
  return check_gradient(call, d_logits, logits, vocabulary, d_logits_stride, logits_stride, d_logits_dtype, dtype)
      .words("lse", lse)
      .words("d_logprob", d_logprob)
      .run(TokenLogprobBackward{d_logits, logits, targets, row_index, lse, d_logprob, rows, vocabulary, d_logits_stride, logits_stride,
                                transform, d_logits_dtype, dtype});
}

int32_t dpo4j_token_logprob_forward_backward(dpo4j_context* context, void* d_logits, float* logprob, float* lse, float* statistics,
                                             const void* logits, const int32_t* targets, const int32_t* row_index, const float* bias,
                                             const float* d_logprob, int64_t rows, int64_t vocabulary, int64_t d_logits_stride,
                                             int64_t logits_stride, float scale, float cap, int32_t d_logits_dtype, int32_t dtype) {
  Call call(context, "token_logprob_forward_backward");
  const LogitTransform transform{bias, scale, cap};
  check_logits(call, logits, targets, row_index, transform, rows, vocabulary, logits_stride, dtype);
  return check_gradient(call, d_logits, logits, vocabulary, d_logits_stride, logits_stride, d_logits_dtype, dtype)
      .words("logprob", logprob)
      .words("lse", lse)
      .tensor_or_null("statistics", statistics)
      .words_or_null("d_logprob", d_logprob)
      .run(TokenLogprobForwardBackward{d_logits, logprob, lse, statistics, logits, targets, row_index, d_logprob, rows, vocabulary,
                                       d_logits_stride, logits_stride, transform, d_logits_dtype, dtype});
}
