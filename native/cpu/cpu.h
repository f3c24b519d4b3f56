// The CPU device: threads, an instruction set, and one `run` per operation.
//
// Most operations are compiled three times, once per instruction set, into the namespaces portable, avx2 and avx512. cpu.cpp calls the one
// for the instruction set of the context. Operations without vector arithmetic are compiled once.
#pragma once

#include "../operations.h"
#include "threads.h"

namespace dpo4j::cpu {

struct Cpu {
  Threads threads;
  const int32_t isa;  // dpo4j_cpu_isa, not AUTO
  Cpu(int32_t thread_count, int32_t instruction_set) : threads(thread_count), isa(instruction_set) {}
};

int32_t best_isa();
int32_t usable_processors();

// Compiled for each instruction set.
#define DPO4J_CPU_VECTOR_OPERATIONS(X) \
  X(EmbeddingForward)                  \
  X(EmbeddingBackward)                 \
  X(RmsNormForward)                    \
  X(RmsNormBackward)                   \
  X(Rope)                              \
  X(AttentionForward)                  \
  X(AttentionBackward)                 \
  X(SwigluForward)                     \
  X(SwigluBackward)                    \
  X(ResidualForward)                   \
  X(ScaleRows)                         \
  X(ColumnSum)                         \
  X(TokenLogprobForward)               \
  X(TokenLogprobBackward)              \
  X(TokenLogprobForwardBackward)       \
  X(GradientNorm)                      \
  X(Adamw)

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

// Compiled once.
void run(Cpu&, const CopyRows&);
void run(Cpu&, const SequenceSumForward&);
void run(Cpu&, const SequenceSumBackward&);
void run(Cpu&, const PreferenceLoss&);
void run(Cpu&, const UnpairedLoss&);
void run(Cpu&, const Matmul&);

// Loads the oneDNN library for Matmul from `path`. Returns 0, or -1 and a message in `text`.
int load_matmul_library(const char* path, char* text, size_t text_bytes);
bool has_matmul_library();

size_t rms_norm_backward_workspace_bytes(int64_t rows, int64_t width);
size_t attention_backward_workspace_bytes(int64_t query_rows, int64_t heads, int64_t head_width);
size_t gradient_norm_workspace_bytes(int64_t count);

}  // namespace dpo4j::cpu
