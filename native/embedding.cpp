#include "call.h"

using dpo4j::Call;

int32_t dpo4j_embedding_forward(dpo4j_context* context, const dpo4j_embedding_forward_params* params) {
  Call call(context, "embedding_forward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_embedding_forward_params& p = *params;
  return call.dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("table_rows", p.table_rows)
      .extent("width", p.width)
      .require(dpo4j::finite(p.scale), "scale", "must be finite")
      .tensor("out", p.out)
      .tensor("table", p.table)
      .words("indices", p.indices)
      .run(p);
}

int32_t dpo4j_embedding_backward(dpo4j_context* context, const dpo4j_embedding_backward_params* params) {
  Call call(context, "embedding_backward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_embedding_backward_params& p = *params;
  return call.dtype("dtype", p.dtype)
      .dtype("d_table_dtype", p.d_table_dtype)
      .rows("segments", p.segments)
      .extent("width", p.width)
      .require(dpo4j::finite(p.scale), "scale", "must be finite")
      .tensor("d_table", p.d_table)
      .tensor("d_out", p.d_out)
      .words("order", p.order)
      .words("offsets", p.offsets)
      .words("distinct", p.distinct)
      .run(p);
}
