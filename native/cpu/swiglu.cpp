// Forward:  y = g s u, with s = 1 / (1 + exp(-g)). 12 bytes per element of y.
// Backward: d_u = d g s, d_g = d u s (1 + g (1 - s)). 20 bytes per element of y.
// s and 1 - s are both computed from t = exp(-|g|) <= 1, so neither overflows, and neither loses digits in a subtraction.
#include "cpu.h"
#include "vector.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

void forward_row(float* out, const float* gate, const float* up, int64_t width) {
  each_vector(width, [&](int64_t i, auto lanes) {
    const Floats g = load(gate + i, lanes);
    const Floats t = exp(-absolute(g));
    const Floats s = (g < 0 ? t : all(1)) / (t + 1);
    store(out + i, g * s * load(up + i, lanes), lanes);
  });
}

void backward_row(float* d_gate, float* d_up, const float* d_out, const float* gate, const float* up, int64_t width) {
  each_vector(width, [&](int64_t i, auto lanes) {
    const Floats g = load(gate + i, lanes);
    const Floats u = load(up + i, lanes);
    const Floats d = load(d_out + i, lanes);
    const Floats t = exp(-absolute(g));
    const Floats inverse = 1 / (t + 1);
    const Floats large = inverse, small = t * inverse;
    const Floats s = g < 0 ? small : large;
    const Floats rest = g < 0 ? large : small;
    store(d_up + i, d * g * s, lanes);
    store(d_gate + i, d * u * s * fma(g, rest, all(1)), lanes);
  });
}

}  // namespace

void run(Threads& threads, const dpo4j_swiglu_forward_params& p) {
  float* out = static_cast<float*>(p.out);
  const float* gate_up = static_cast<const float*>(p.gate_up);
  parallel_ranges(threads, p.rows, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const float* gate = gate_up + row * 2 * p.width;
      forward_row(out + row * p.width, gate, gate + p.width, p.width);
    }
  });
}

void run(Threads& threads, const dpo4j_swiglu_backward_params& p) {
  float* d_gate_up = static_cast<float*>(p.d_gate_up);
  const float* d_out = static_cast<const float*>(p.d_out);
  const float* gate_up = static_cast<const float*>(p.gate_up);
  parallel_ranges(threads, p.rows, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const float* gate = gate_up + row * 2 * p.width;
      float* d_gate = d_gate_up + row * 2 * p.width;
      backward_row(d_gate, d_gate + p.width, d_out + row * p.width, gate, gate + p.width, p.width);
    }
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
