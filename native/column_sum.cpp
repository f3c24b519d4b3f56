#include "call.h"

using dpo4j::Call;

int32_t dpo4j_column_sum(dpo4j_context* context, const dpo4j_column_sum_params* params) {
  Call call(context, "column_sum");
  if (call.params(params).refused()) return call.status();
  const dpo4j_column_sum_params& p = *params;
  return call.dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("width", p.width)
      .stride("in_stride", p.in_stride, "width", p.width, p.dtype)
      .tensor("sums", p.sums)
      .tensor("in", p.in)
      .words_or_null("scale", p.scale)
      .run(p);
}
