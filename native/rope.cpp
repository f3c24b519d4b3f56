#include "call.h"

using dpo4j::Call;
using dpo4j::Rope;

namespace {

int32_t rope(const char* operation, dpo4j_context* context, const dpo4j_rope_params* params, bool backward) {
  Call call(context, operation);
  if (call.params(params).refused()) return call.status();
  const Rope p = {*params, backward};
  return call.dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("heads", p.heads)
      .extent("head_width", p.head_width)
      .extent("rotary_width", p.rotary_width)
      .require(p.rotary_width % 2 == 0 && p.rotary_width <= p.head_width, "rotary_width", "must be even and at most head_width")
      .stride("row_stride", p.row_stride, "heads * head_width", p.heads * p.head_width, p.dtype)
      .extent("positions_end", p.positions_end)
      .tensor("x", p.x)
      .words("positions", p.positions)
      .tensor("cosine", p.cosine)
      .tensor("sine", p.sine)
      .run(p);
}

}  // namespace

int32_t dpo4j_rope_forward(dpo4j_context* context, const dpo4j_rope_params* params) { return rope("rope_forward", context, params, false); }

int32_t dpo4j_rope_backward(dpo4j_context* context, const dpo4j_rope_params* params) {
  return rope("rope_backward", context, params, true);
}
