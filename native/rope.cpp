#include "call.h"

using dpo4j::Call;
using dpo4j::Rope;

namespace {

int32_t rope(const char* operation, dpo4j_context* context, const char* x_name, const Rope& p) {
  return Call(context, operation)
      .dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("heads", p.heads)
      .extent("head_width", p.head_width)
      .require(p.head_width % 2 == 0, "head_width", "must be even")
      .stride("row_stride", p.row_stride, "heads * head_width", p.heads * p.head_width, p.dtype)
      .extent("positions_end", p.positions_end)
      .tensor(x_name, p.x)
      .words("positions", p.positions)
      .tensor("cosine", p.cosine)
      .tensor("sine", p.sine)
      .run(p);
}

}  // namespace

int32_t dpo4j_rope_forward(dpo4j_context* context, void* x, const int32_t* positions, const float* cosine, const float* sine, int64_t rows,
                           int64_t heads, int64_t head_width, int64_t row_stride, int64_t positions_end, int32_t dtype) {
  const Rope p = {x, positions, cosine, sine, rows, heads, head_width, row_stride, positions_end, false, dtype};
  return rope("rope_forward", context, "x", p);
}

int32_t dpo4j_rope_backward(dpo4j_context* context, void* d_x, const int32_t* positions, const float* cosine, const float* sine,
                            int64_t rows, int64_t heads, int64_t head_width, int64_t row_stride, int64_t positions_end, int32_t dtype) {
  const Rope p = {d_x, positions, cosine, sine, rows, heads, head_width, row_stride, positions_end, true, dtype};
  return rope("rope_backward", context, "d_x", p);
}
