// The bytes of workspace that operations need on the CPU.
#include "cpu.h"
#include "gradient_blocks.h"
#include "row_blocks.h"

namespace dpo4j::cpu {

size_t rms_norm_backward_workspace_bytes(int64_t rows, int64_t width) {
  return static_cast<size_t>(row_blocks(rows) * width) * sizeof(float);
}

size_t layer_norm_backward_workspace_bytes(int64_t rows, int64_t width) { return 2 * rms_norm_backward_workspace_bytes(rows, width); }

size_t attention_backward_workspace_bytes(int64_t query_rows, int64_t heads, int64_t head_width) {
  return static_cast<size_t>(query_rows * heads * (1 + head_width)) * sizeof(float);
}

size_t gradient_norm_workspace_bytes(int64_t count) { return static_cast<size_t>(gradient_blocks(count)) * sizeof(double); }

}  // namespace dpo4j::cpu
