#include "call.h"

using dpo4j::Call;
using dpo4j::ResidualForward;

int32_t dpo4j_residual_forward(dpo4j_context* context, void* out, const void* a, const void* b, int64_t count, int32_t dtype) {
  return Call(context, "residual_forward")
      .dtype("dtype", dtype)
      .count("count", count)
      .tensor("out", out)
      .tensor("a", a)
      .tensor("b", b)
      .run(ResidualForward{out, a, b, count, dtype});
}
