// The CPU device: threads, an instruction set, and one `run` per operation.
//
// Most operations are compiled three times, once per instruction set, into the namespaces portable, avx2 and avx512. cpu.cpp calls the one
// for the instruction set of the context. Operations without vector arithmetic are compiled once.
#pragma once

#include "../dpo4j.h"
#include "../optimizers.h"
#include "../rope.h"
#include "threads.h"

namespace dpo4j::cpu {

struct Cpu {
  Threads threads;
  const int32_t isa;  // dpo4j_cpu_isa, not AUTO
  Cpu(int32_t thread_count, int32_t instruction_set) : threads(thread_count), isa(instruction_set) {}
};

// The product of bf16 matrices.
struct Bf16Matmul : dpo4j_matmul_params {};

int32_t best_isa();
bool has_avx512_bf16();
int32_t usable_processors();

// Compiled for each instruction set.
#define DPO4J_CPU_VECTOR_OPERATIONS(X)           \
  X(dpo4j_embedding_forward_params)              \
  X(dpo4j_embedding_backward_params)             \
  X(dpo4j_rms_norm_forward_params)               \
  X(dpo4j_rms_norm_backward_params)              \
  X(dpo4j_layer_norm_forward_params)             \
  X(dpo4j_layer_norm_backward_params)            \
  X(Rope)                                        \
  X(dpo4j_attention_forward_params)              \
  X(dpo4j_attention_backward_params)             \
  X(dpo4j_activation_forward_params)             \
  X(dpo4j_activation_backward_params)            \
  X(dpo4j_residual_forward_params)               \
  X(dpo4j_scale_rows_params)                     \
  X(dpo4j_column_sum_params)                     \
  X(dpo4j_token_logprob_forward_params)          \
  X(dpo4j_token_logprob_backward_params)         \
  X(dpo4j_token_logprob_forward_backward_params) \
  X(dpo4j_sample_tokens_params)                  \
  X(dpo4j_gradient_norm_params)                  \
  X(Adamw)                                       \
  X(Bf16Matmul)                                  \
  X(Adamw8bit)                                   \
  X(Sgd)                                         \
  X(Rmsprop)                                     \
  X(Lion)                                        \
  X(dpo4j_lerp_params)                           \
  X(dpo4j_uniform_noise_params)                  \
  X(dpo4j_quantize_4bit_params)                  \
  X(dpo4j_dequantize_4bit_params)

#define DPO4J_DECLARE(Params) void run(Cpu&, const Params&);
DPO4J_CPU_VECTOR_OPERATIONS(DPO4J_DECLARE)
#undef DPO4J_DECLARE

#define DPO4J_DECLARE(Params) void run(Threads&, const Params&);
namespace portable {
DPO4J_CPU_VECTOR_OPERATIONS(DPO4J_DECLARE)
}
namespace avx2 {
DPO4J_CPU_VECTOR_OPERATIONS(DPO4J_DECLARE)
}
namespace avx512 {
DPO4J_CPU_VECTOR_OPERATIONS(DPO4J_DECLARE)
}
#undef DPO4J_DECLARE
namespace avx2 {
void run(Threads&, const dpo4j_pack_panels_params&);
}
namespace avx512_bf16 {
void run(Threads&, const Bf16Matmul&);
}

// Compiled once.
void run(Cpu&, const dpo4j_copy_rows_params&);
void run(Cpu&, const dpo4j_count_step_params&);
void run(Cpu&, const dpo4j_sequence_sum_forward_params&);
void run(Cpu&, const dpo4j_sequence_sum_backward_params&);
void run(Cpu&, const dpo4j_preference_loss_params&);
void run(Cpu&, const dpo4j_unpaired_loss_params&);
void run(Cpu&, const dpo4j_matmul_params&);
void run(Cpu&, const dpo4j_pack_panels_params&);

// Whether a product takes a b [rows, columns] in panels.
bool has_panels(const Cpu&, int64_t rows, int64_t columns, int32_t dtype);

// Loads the oneDNN library for matrix products from `path`. Returns 0, or -1 and a message in `text`.
int load_matmul_library(const char* path, char* text, size_t text_bytes);
bool has_matmul_library();

size_t rms_norm_backward_workspace_bytes(int64_t rows, int64_t width);
size_t layer_norm_backward_workspace_bytes(int64_t rows, int64_t width);
size_t attention_backward_workspace_bytes(int64_t query_rows, int64_t heads, int64_t head_width);
size_t gradient_norm_workspace_bytes(int64_t count);

}  // namespace dpo4j::cpu
