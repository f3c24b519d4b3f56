// The arguments of each operation, checked once in native/<operation>.cpp and handed unchanged to cpu::run (native/cpu/<operation>.cpp) or
// cuda::run (kernels/<operation>.cu). Where the call takes a params struct of dpo4j.h, this file gives that struct a short name. Where the call
// still takes a flat list, the struct here holds it. Shapes and meanings are dpo4j.h's.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "dpo4j.h"

namespace dpo4j {

using Matmul = dpo4j_matmul_params;
using EmbeddingForward = dpo4j_embedding_forward_params;
using EmbeddingBackward = dpo4j_embedding_backward_params;
using CopyRows = dpo4j_copy_rows_params;
using RmsNormForward = dpo4j_rms_norm_forward_params;
using RmsNormBackward = dpo4j_rms_norm_backward_params;

// Either direction of rope.
struct Rope : dpo4j_rope_params {
  bool backward;
};

using AttentionForward = dpo4j_attention_forward_params;
using AttentionBackward = dpo4j_attention_backward_params;
using SwigluForward = dpo4j_swiglu_forward_params;
using SwigluBackward = dpo4j_swiglu_backward_params;
using ResidualForward = dpo4j_residual_forward_params;
using ScaleRows = dpo4j_scale_rows_params;

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

using GradientNorm = dpo4j_gradient_norm_params;

// The options as the kernels take them: rounded to f32.
struct Adamw : dpo4j_adamw_params {
  // 1 - beta1, 1 - beta2: the share of the gradient, and of its square, in the new moments.
  float share1, share2;
  float epsilon, weight_decay;
};

}  // namespace dpo4j
