// Forward:  y = x s(x) u. s is sigmoid(x) for SiLU, Phi(x) for GELU by erf, and sigmoid(2 v) for GELU by tanh, with
//   v = sqrt(2 / pi) (x + 0.044715 x^3), because 0.5 (1 + tanh(v)) = sigmoid(2 v). Without a gate, u is 1. 12 bytes per element of y, or 8.
// Backward: d_u = d x s, d_x = d u (s + x s'). 20 bytes per element of y, or 12.
// s is computed from the exponential of a number that is not positive. So it never overflows, and keeps its digits where it is near 0.
#include "cpu.h"
#include "formulas/normal_tail.h"
#include "storage.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

template <int KIND, bool GATED>
struct Function {
  static constexpr int kKind = KIND;
  static constexpr bool kGated = GATED;
  // Elements of a row of x.
  static constexpr int64_t row(int64_t width) { return GATED ? 2 * width : width; }
};

struct Factor {
  Floats value, slope;  // s and s'
};

DPO4J_INLINE Factor normal(Floats x) {
  const Floats z = absolute(x);
  const Floats power = exp(-0.5f * z * z);
  const Floats t = 1 / fma(all(kTailScale), z, all(1));
  Floats p = all(tail_coefficient(kTailDegree));
#pragma GCC unroll 8
  for (int i = kTailDegree - 1; i >= 0; i--) p = fma(p, t, all(tail_coefficient(i)));
  const Floats tail = power * (t * p);
  return {x < 0 ? tail : 1 - tail, power * 0.39894228f};
}

// Beyond 16, s and s' are exactly 0 or 1. x is bounded there, so that s' is not 0 times infinity.
DPO4J_INLINE Factor normal_by_tanh(Floats x) {
  constexpr float kSlope = 1.5957691f;  // 2 sqrt(2 / pi)
  const Floats bounded = minimum(all(16), maximum(all(-16), x));
  const Floats square = bounded * bounded;
  const Floats v = bounded * kSlope * fma(all(0.044715f), square, all(1));
  const Floats t = exp(-absolute(v));
  const Floats inverse = 1 / (t + 1);
  return {(v < 0 ? t : all(1)) * inverse, t * inverse * inverse * kSlope * fma(all(3 * 0.044715f), square, all(1))};
}

template <int KIND>
DPO4J_INLINE Factor gelu(Floats x) {
  return KIND == DPO4J_ACTIVATION_GELU_ERF ? normal(x) : normal_by_tanh(x);
}

template <int KIND>
DPO4J_INLINE Floats activated(Floats x) {
  if constexpr (KIND == DPO4J_ACTIVATION_SILU) {
    const Floats t = exp(-absolute(x));
    const Floats s = (x < 0 ? t : all(1)) / (t + 1);
    return x * s;
  } else {
    return x * gelu<KIND>(x).value;
  }
}

struct Slopes {
  Floats d_x, d_up;
};

// `scaled` is d u.
template <int KIND>
DPO4J_INLINE Slopes slopes(Floats x, Floats d, Floats scaled) {
  if constexpr (KIND == DPO4J_ACTIVATION_SILU) {
    const Floats t = exp(-absolute(x));
    const Floats inverse = 1 / (t + 1);
    const Floats large = inverse, small = t * inverse;
    const Floats s = x < 0 ? small : large;
    const Floats rest = x < 0 ? large : small;
    return {scaled * s * fma(x, rest, all(1)), d * x * s};
  } else {
    const Factor s = gelu<KIND>(x);
    return {scaled * fma(x, s.slope, s.value), d * x * s.value};
  }
}

template <class F, class T>
void forward(Threads& threads, const dpo4j_activation_forward_params& p) {
  parallel_ranges(threads, p.rows, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const T* x = static_cast<const T*>(p.x) + row * F::row(p.width);
      const T* up = x + p.width;
      T* out = static_cast<T*>(p.out) + row * p.width;
      each_vector(p.width, [&](int64_t i, auto lanes) {
        const Floats y = activated<F::kKind>(load(x + i, lanes));
        store(out + i, F::kGated ? y * load(up + i, lanes) : y, lanes);
      });
    }
  });
}

template <class F, class T>
void backward(Threads& threads, const dpo4j_activation_backward_params& p) {
  parallel_ranges(threads, p.rows, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const T* x = static_cast<const T*>(p.x) + row * F::row(p.width);
      const T* d_out = static_cast<const T*>(p.d_out) + row * p.width;
      const T* up = x + p.width;
      T* d_x = static_cast<T*>(p.d_x) + row * F::row(p.width);
      T* d_up = d_x + p.width;
      each_vector(p.width, [&](int64_t i, auto lanes) {
        const Floats d = load(d_out + i, lanes);
        const Slopes s = slopes<F::kKind>(load(x + i, lanes), d, F::kGated ? d * load(up + i, lanes) : d);
        if (F::kGated) store(d_up + i, s.d_up, lanes);
        store(d_x + i, s.d_x, lanes);
      });
    }
  });
}

// Calls f with a Function, so that kind and gate are compile-time constants.
template <int KIND, class F>
void with_gate(int32_t gated, const F& f) {
  gated ? f(Function<KIND, true>{}) : f(Function<KIND, false>{});
}

template <class F>
void with_function(int32_t kind, int32_t gated, const F& f) {
  if (kind == DPO4J_ACTIVATION_SILU) return with_gate<DPO4J_ACTIVATION_SILU>(gated, f);
  if (kind == DPO4J_ACTIVATION_GELU_ERF) return with_gate<DPO4J_ACTIVATION_GELU_ERF>(gated, f);
  with_gate<DPO4J_ACTIVATION_GELU_TANH>(gated, f);
}

}  // namespace

void run(Threads& threads, const dpo4j_activation_forward_params& p) {
  with_storage(p.dtype, [&](auto stored) {
    with_function(p.kind, p.gated, [&](auto function) { forward<decltype(function), decltype(stored)>(threads, p); });
  });
}

void run(Threads& threads, const dpo4j_activation_backward_params& p) {
  with_storage(p.dtype, [&](auto stored) {
    with_function(p.kind, p.gated, [&](auto function) { backward<decltype(function), decltype(stored)>(threads, p); });
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
