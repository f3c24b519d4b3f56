#include "call.h"

using dpo4j::Call;
using dpo4j::CopyRows;

int32_t dpo4j_copy_rows(dpo4j_context* context, void* out, const void* in, const int32_t* out_rows, const int32_t* in_rows, int64_t rows,
                        int64_t width, int64_t out_stride, int64_t in_stride, int32_t dtype) {
  return Call(context, "copy_rows")
      .dtype("dtype", dtype)
      .rows("rows", rows)
      .extent("width", width)
      .stride("out_stride", out_stride, "width", width, dtype)
      .stride("in_stride", in_stride, "width", width, dtype)
      .tensor("out", out)
      .tensor("in", in)
      .words_or_null("out_rows", out_rows)
      .words_or_null("in_rows", in_rows)
      .run(CopyRows{out, in, out_rows, in_rows, rows, width, out_stride, in_stride, dtype});
}
