// The interface from native/ to kernels/: launches, one overload of run() per params struct, and a few queries of the CUDA runtime. It has
// no CUDA types, so that native/ compiles without nvcc. Built only with the kernels (DPO4J_WITH_CUDA).
#pragma once

#include "dpo4j.h"
#include "kernel_names.h"
#include "optimizers.h"
#include "rope.h"

namespace dpo4j::cuda {

// A stream (a cudaStream_t) and the properties of its device that launches need.
struct LaunchContext {
  void* stream;
  int32_t ordinal;
  int32_t shared_bytes;      // max shared memory per block, static and dynamic together
  int32_t sm_shared_bytes;   // shared memory per SM, including what the system reserves of each block
  int32_t max_cluster_size;  // max blocks per cluster: 8, or 1 without clusters
  int32_t capability;        // compute capability times ten
  uint32_t without;          // bits of OptionalKernel that are turned off
  // For tests: the result of resident_clusters(). 0 queries the device.
  int32_t resident_clusters;
};

// Each queues launches, waits for nothing, and returns 0 or a cudaError_t, which error_text names.
int run(const LaunchContext&, const dpo4j_embedding_forward_params&);
int run(const LaunchContext&, const dpo4j_embedding_backward_params&);
int run(const LaunchContext&, const dpo4j_copy_rows_params&);
int run(const LaunchContext&, const dpo4j_rms_norm_forward_params&);
int run(const LaunchContext&, const dpo4j_rms_norm_backward_params&);
int run(const LaunchContext&, const dpo4j_layer_norm_forward_params&);
int run(const LaunchContext&, const dpo4j_layer_norm_backward_params&);
int run(const LaunchContext&, const Rope&);
int run(const LaunchContext&, const dpo4j_attention_forward_params&);
int run(const LaunchContext&, const dpo4j_attention_backward_params&);
int run(const LaunchContext&, const dpo4j_activation_forward_params&);
int run(const LaunchContext&, const dpo4j_activation_backward_params&);
int run(const LaunchContext&, const dpo4j_residual_forward_params&);
int run(const LaunchContext&, const dpo4j_scale_rows_params&);
int run(const LaunchContext&, const dpo4j_column_sum_params&);
int run(const LaunchContext&, const dpo4j_token_logprob_forward_params&);
int run(const LaunchContext&, const dpo4j_token_logprob_backward_params&);
int run(const LaunchContext&, const dpo4j_token_logprob_forward_backward_params&);
int run(const LaunchContext&, const dpo4j_sample_tokens_params&);
int run(const LaunchContext&, const dpo4j_lm_head_forward_params&);
int run(const LaunchContext&, const dpo4j_lm_head_exponentials_params&);
int run(const LaunchContext&, const dpo4j_sequence_sum_forward_params&);
int run(const LaunchContext&, const dpo4j_sequence_sum_backward_params&);
int run(const LaunchContext&, const dpo4j_preference_loss_params&);
int run(const LaunchContext&, const dpo4j_unpaired_loss_params&);
int run(const LaunchContext&, const dpo4j_gradient_norm_params&);
int run(const LaunchContext&, const dpo4j_count_step_params&);
int run(const LaunchContext&, const Adamw&);
int run(const LaunchContext&, const Adamw8bit&);
int run(const LaunchContext&, const Sgd&);
int run(const LaunchContext&, const Rmsprop&);
int run(const LaunchContext&, const Lion&);
int run(const LaunchContext&, const dpo4j_lerp_params&);
int run(const LaunchContext&, const dpo4j_uniform_noise_params&);
int run(const LaunchContext&, const dpo4j_quantize_4bit_params&);
int run(const LaunchContext&, const dpo4j_dequantize_4bit_params&);

size_t rms_norm_backward_workspace_bytes(int64_t rows, int64_t width);
size_t layer_norm_backward_workspace_bytes(int64_t rows, int64_t width);
size_t attention_backward_workspace_bytes(const LaunchContext&, int64_t query_rows, const dpo4j_attention_shape&);
size_t gradient_norm_workspace_bytes(int64_t count);
size_t lm_head_forward_workspace_bytes(int64_t rows, int64_t vocabulary);
size_t lm_head_exponentials_workspace_bytes(int64_t rows, int64_t vocabulary);

// Whether token_logprob_forward_backward holds a row of fp32 logits in shared memory.
bool token_logprob_holds_row(const LaunchContext&, int64_t vocabulary);

// kernels/runtime.cu
const char* architectures();                             // as compiled, "sm_80,sm_90a,...", or "emulated"
bool has_kernel(const LaunchContext&, uint32_t kernel);  // of OptionalKernel: whether the device runs it and it is not off
const char* error_text(int error);
const char* error_name(int error);
bool ends_cuda(int error);  // whether every later CUDA call of the process fails
int max_cluster(int32_t ordinal, int32_t* blocks);
int device_count(int32_t* count);
int device_info(int32_t ordinal, char* name, size_t name_bytes, int32_t* capability, int64_t* memory_bytes, int32_t* driver_version);
int make_launch_context(LaunchContext*, int32_t ordinal, void* stream);

}  // namespace dpo4j::cuda
