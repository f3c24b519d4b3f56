#include "call.h"

using dpo4j::Call;
using dpo4j::SwigluBackward;
using dpo4j::SwigluForward;

int32_t dpo4j_swiglu_forward(dpo4j_context* context, void* out, const void* gate_up, int64_t rows, int64_t width, int32_t dtype) {
  return Call(context, "swiglu_forward")
      .dtype("dtype", dtype)
      .rows("rows", rows)
      .extent("width", width)
      .tensor("out", out)
      .tensor("gate_up", gate_up)
      .run(SwigluForward{out, gate_up, rows, width, dtype});
}

int32_t dpo4j_swiglu_backward(dpo4j_context* context, void* d_gate_up, const void* d_out, const void* gate_up, int64_t rows, int64_t width,
                              int32_t dtype) {
  return Call(context, "swiglu_backward")
      .dtype("dtype", dtype)
      .rows("rows", rows)
      .extent("width", width)
      .tensor("d_gate_up", d_gate_up)
      .tensor("d_out", d_out)
      .tensor("gate_up", gate_up)
      .run(SwigluBackward{d_gate_up, d_out, gate_up, rows, width, dtype});
}
