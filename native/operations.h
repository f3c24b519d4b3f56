// Names for the params structs of dpo4j.h, which native/<operation>.cpp checks and hands unchanged to cpu::run (native/cpu/<operation>.cpp) or
// cuda::run (kernels/<operation>.cu). dpo4j.h states shapes and meanings.
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

using TokenLogprobForward = dpo4j_token_logprob_forward_params;
using TokenLogprobBackward = dpo4j_token_logprob_backward_params;
using TokenLogprobForwardBackward = dpo4j_token_logprob_forward_backward_params;
using ColumnSum = dpo4j_column_sum_params;
using LmHeadForward = dpo4j_lm_head_forward_params;
using SequenceSumForward = dpo4j_sequence_sum_forward_params;
using SequenceSumBackward = dpo4j_sequence_sum_backward_params;
using PreferenceLoss = dpo4j_preference_loss_params;
using UnpairedLoss = dpo4j_unpaired_loss_params;

// Whether the softmax is of the logits as they are.
inline bool is_identity(const dpo4j_logit_transform& transform) {
  return transform.bias == nullptr && transform.scale == 1 && transform.cap == 0;
}

using GradientNorm = dpo4j_gradient_norm_params;

// The options as the kernels take them: rounded to f32.
struct Adamw : dpo4j_adamw_params {
  // 1 - beta1, 1 - beta2: the share of the gradient, and of its square, in the new moments.
  float share1, share2;
  float epsilon, weight_decay;
};

}  // namespace dpo4j
