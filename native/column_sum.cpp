#include "call.h"

using dpo4j::Call;
using dpo4j::ColumnSum;

int32_t dpo4j_column_sum(dpo4j_context* context, float* sums, const void* in, const float* scale, int64_t rows, int64_t width,
                         int64_t in_stride, int32_t dtype) {
  return Call(context, "column_sum")
      .dtype("dtype", dtype)
      .rows("rows", rows)
      .extent("width", width)
      .stride("in_stride", in_stride, "width", width, dtype)
      .tensor("sums", sums)
      .tensor("in", in)
      .words_or_null("scale", scale)
      .run(ColumnSum{sums, in, scale, rows, width, in_stride, dtype});
}
