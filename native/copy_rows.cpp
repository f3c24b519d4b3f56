#include "call.h"

using dpo4j::Call;

int32_t dpo4j_copy_rows(dpo4j_context* context, const dpo4j_copy_rows_params* params) {
  Call call(context, "copy_rows");
  if (call.params(params).refused()) return call.status();
  const dpo4j_copy_rows_params& p = *params;
  return call.dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("width", p.width)
      .stride("out_stride", p.out_stride, "width", p.width, p.dtype)
      .stride("in_stride", p.in_stride, "width", p.width, p.dtype)
      .tensor("out", p.out)
      .tensor("in", p.in)
      .words_or_null("out_rows", p.out_rows)
      .words_or_null("in_rows", p.in_rows)
      .run(p);
}
