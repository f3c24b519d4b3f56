#include "call.h"

using dpo4j::Call;

int32_t dpo4j_lerp(dpo4j_context* context, const dpo4j_lerp_params* params) {
  Call call(context, "lerp");
  if (call.params(params).refused()) return call.status();
  const dpo4j_lerp_params& p = *params;
  return call.dtype("dtype", p.dtype)
      .dtype("in_dtype", p.in_dtype)
      .count("count", p.count)
      .require(p.share >= 0 && p.share <= 1, "share", "must be from 0 to 1")
      .tensor("out", p.out)
      .tensor("in", p.in)
      .words_or_null("clip", p.clip)
      .run(p);
}
