#include "call.h"

using dpo4j::Call;

int32_t dpo4j_scale_rows(dpo4j_context* context, const dpo4j_scale_rows_params* params) {
  Call call(context, "scale_rows");
  if (call.params(params).refused()) return call.status();
  const dpo4j_scale_rows_params& p = *params;
  return call.dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("width", p.width)
      .tensor("out", p.out)
      .tensor("in", p.in)
      .words("scale", p.scale)
      .run(p);
}
