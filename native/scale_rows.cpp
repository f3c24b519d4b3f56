#include "call.h"

using dpo4j::Call;
using dpo4j::ScaleRows;

int32_t dpo4j_scale_rows(dpo4j_context* context, void* out, const void* in, const float* scale, int64_t rows, int64_t width,
                         int32_t dtype) {
  return Call(context, "scale_rows")
      .dtype("dtype", dtype)
      .rows("rows", rows)
      .extent("width", width)
      .tensor("out", out)
      .tensor("in", in)
      .words("scale", scale)
      .run(ScaleRows{out, in, scale, rows, width, dtype});
}
