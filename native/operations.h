// One params struct an operation: what dpo4j.h passes as a flat list, checked once in native/<operation>.cpp and handed unchanged to
// cpu::run (native/cpu/<operation>.cpp) or cuda::run (kernels/<operation>.cu). Shapes and meanings are dpo4j.h's; they are not repeated here.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dpo4j.h"

namespace dpo4j {

struct Matmul {
  float* c;
  const float *a, *b;
  int64_t m, n, k, c_stride, a_stride, b_stride;
  bool transpose_a, transpose_b, accumulate;
};

struct EmbeddingForward {
  void* out;
  const void* table;
  const int32_t* indices;
  int64_t rows, table_rows, width;
  int32_t dtype;
};

struct EmbeddingBackward {
  void* d_table;
  const void* d_out;
  const int32_t *order, *offsets, *distinct;
  int64_t segments, width;
  int32_t d_table_dtype, dtype;
};

struct CopyRows {
  void* out;
  const void* in;
  const int32_t *out_rows, *in_rows;
  int64_t rows, width, out_stride, in_stride;
  int32_t dtype;
};

struct RmsNormForward {
  void* out;
  float* rstd;
  void* sum;
  const void *x, *residual, *weight;
  int64_t rows, width;
  float epsilon;
  int32_t dtype;
};

struct RmsNormBackward {
  void* d_x;
  float* d_weight;
  void* workspace;
  const void *d_out, *d_residual, *x, *weight;
  const float* rstd;
  int64_t rows, width;
  int32_t dtype;
};

struct Rope {
  void* x;
  const int32_t* positions;
  const float *cosine, *sine;
  int64_t rows, heads, head_width, row_stride, positions_end;
  bool backward;
  int32_t dtype;
};

using AttentionForward = dpo4j_attention_forward_params;
using AttentionBackward = dpo4j_attention_backward_params;

struct SwigluForward {
  void* out;
  const void* gate_up;
  int64_t rows, width;
  int32_t dtype;
};

struct SwigluBackward {
  void* d_gate_up;
  const void *d_out, *gate_up;
  int64_t rows, width;
  int32_t dtype;
};

struct ResidualForward {
  void* out;
  const void *a, *b;
  int64_t count;
  int32_t dtype;
};

struct ScaleRows {
  void* out;
  const void* in;
  const float* scale;
  int64_t rows, width;
  int32_t dtype;
};

// What a softmax sees of a logit.
struct LogitTransform {
  const float* bias;
  float scale, cap;
  bool none() const { return bias == nullptr && scale == 1 && cap == 0; }
};

struct TokenLogprobForward {
  float *logprob, *lse, *statistics;
  const void* logits;
  const int32_t *targets, *row_index;
  int64_t rows, vocabulary, logits_stride;
  LogitTransform transform;
  int32_t dtype;
};

struct TokenLogprobBackward {
  void* d_logits;
  const void* logits;
  const int32_t *targets, *row_index;
  const float *lse, *d_logprob;
  int64_t rows, vocabulary, d_logits_stride, logits_stride;
  LogitTransform transform;
  int32_t d_logits_dtype, dtype;
};

struct TokenLogprobForwardBackward {
  void* d_logits;
  float *logprob, *lse, *statistics;
  const void* logits;
  const int32_t *targets, *row_index;
  const float* d_logprob;
  int64_t rows, vocabulary, d_logits_stride, logits_stride;
  LogitTransform transform;
  int32_t d_logits_dtype, dtype;
};

struct ColumnSum {
  float* sums;
  const void* in;
  const float* scale;
  int64_t rows, width, in_stride;
  int32_t dtype;
};

struct LmHeadForward {
  float *logprob, *lse;
  void* workspace;
  const void *hidden, *weight;
  const int32_t* targets;
  int64_t rows, vocabulary, hidden_width, hidden_stride, weight_stride;
  LogitTransform transform;
};

struct SequenceSumForward {
  float* sums;
  const float* values;
  const int32_t* offsets;
  int64_t sequences, width;
  float tail_factor;
  int32_t average;
};

struct SequenceSumBackward {
  float* d_values;
  const float* d_sums;
  const int32_t* offsets;
  int64_t sequences, width;
  float tail_factor;
  int32_t average;
};

struct PreferenceLoss {
  float *losses, *d_sums;
  double *metrics, *running_mean;
  void* workspace;
  const float *sums, *reference;
  const int32_t* lengths;
  const float* statistics;
  int64_t pairs;
  float pair_scale, token_scale;
  const float* scales;
  dpo4j_preference preference;
};

struct UnpairedLoss {
  float *losses, *d_sums;
  double* metrics;
  const float *sums, *reference;
  const int32_t* desirable;
  const float *kl_sums, *kl_reference;
  const int32_t* lengths;
  const float* statistics;
  int64_t completions, kl_completions;
  float scale;
  dpo4j_unpaired_options options;
};

struct GradientNorm {
  float* norm;
  void* workspace;
  const float* gradient;
  int64_t count;
  float max_norm;
};

struct Adamw {
  void* parameter;
  float* master;
  void *m, *v;
  const float *gradient, *rates, *clip;
  const uint32_t* random;
  int64_t first, count;
  // 1 - beta1, 1 - beta2: the share of the gradient, and of its square, in the new moments.
  float share1, share2;
  float epsilon, weight_decay;
  int32_t dtype, moments_dtype;
};

}  // namespace dpo4j
