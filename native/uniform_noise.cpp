#include "call.h"

using dpo4j::Call;

int32_t dpo4j_uniform_noise(dpo4j_context* context, const dpo4j_uniform_noise_params* params) {
  Call call(context, "uniform_noise");
  if (call.params(params).refused()) return call.status();
  const dpo4j_uniform_noise_params& p = *params;
  return call.dtype("dtype", p.dtype)
      .rows("rows", p.rows)
      .extent("width", p.width)
      .stride("stride", p.stride, "width", p.width, p.dtype)
      .tensor("out", p.out)
      .words("scale", p.scale)
      .words("sequence", p.sequence)
      .words("position", p.position)
      .words("random", p.random)
      .run(p);
}
