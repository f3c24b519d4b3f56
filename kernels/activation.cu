// activation: y = x s(x) up, or y = x s(x) without a gate (Shazeer 2020). s is sigmoid(x) for SiLU, Phi(x) for GELU by erf, and sigmoid(2
// v) for GELU by tanh, with v = sqrt(2 / pi) (x + 0.044715 x^3), because 0.5 (1 + tanh(v)) = sigmoid(2 v).
//
//   backward:   d_x = dy up (s + x s')      d_up = dy x s
//
// Never materialised: x s(x), which backward recomputes. Backward may run in place: a thread reads its x and up before it overwrites them.
// Bytes moved, b the size of an element: forward 3 b rows width, backward 5 b rows width; without a gate 2 b and 3 b. Share of the
// roofline: not yet measured on a GPU.
#include "formulas/normal_tail.h"
#include "math.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

template <int KIND, bool GATED>
struct Function {
  static constexpr int kKind = KIND;
  static constexpr bool kGated = GATED;
};

struct Factor {
  float value, slope;  // s and s'
};

// t / (1 + t) or 1 / (1 + t), with t = exp(-|x|), which never overflows.
__device__ __forceinline__ float sigmoid(float x) {
  const float t = exp2_flushed(fabsf(x) * -kLog2E);
  return (x < 0.0f ? t : 1.0f) * reciprocal(1.0f + t);
}

__device__ __forceinline__ Factor normal(float x) {
  const float z = fabsf(x), power = exp2_flushed(x * x * (-0.5f * kLog2E)), t = reciprocal(fmaf(kTailScale, z, 1.0f));
  float p = tail_coefficient(kTailDegree);
#pragma unroll
  for (int i = kTailDegree - 1; i >= 0; i--) p = fmaf(p, t, tail_coefficient(i));
  const float tail = power * (t * p);
  return {x < 0.0f ? tail : 1.0f - tail, power * 0.39894228f};
}

// Beyond 16, s and s' are exactly 0 or 1. x is bounded there, so that s' is not 0 times infinity.
__device__ __forceinline__ Factor normal_by_tanh(float x) {
  constexpr float kSlope = 1.5957691f;  // 2 sqrt(2 / pi)
  const float bounded = x > 16.0f ? 16.0f : x < -16.0f ? -16.0f : x, square = bounded * bounded;
  const float v = bounded * kSlope * fmaf(0.044715f, square, 1.0f);
  const float t = exp2_flushed(fabsf(v) * -kLog2E), inverse = reciprocal(1.0f + t);
  return {(v < 0.0f ? t : 1.0f) * inverse, t * inverse * inverse * kSlope * fmaf(3 * 0.044715f, square, 1.0f)};
}

// s, and for GELU also s'. The derivative of SiLU is computed from s alone.
template <int KIND>
__device__ __forceinline__ Factor factor(float x) {
  if constexpr (KIND == DPO4J_ACTIVATION_SILU) {
    return {sigmoid(x), 0.0f};
  } else {
    return KIND == DPO4J_ACTIVATION_GELU_ERF ? normal(x) : normal_by_tanh(x);
  }
}

template <class T, class F>
__global__ void __launch_bounds__(256) forward(T* out, const T* inputs, int64_t width, int64_t vectors_end) {
  const int64_t row = blockIdx.x;
  const T* x = inputs + row * width * (F::kGated ? 2 : 1);
  const int64_t thread = static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  for_columns(width, vectors_end, thread, static_cast<int64_t>(gridDim.y) * blockDim.x, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    Vec<N> y = load<N>(x + column), up;
    if constexpr (F::kGated) up = load<N>(x + width + column);
#pragma unroll
    for (int k = 0; k < N; k++) {
      y[k] *= factor<F::kKind>(y[k]).value;
      if constexpr (F::kGated) y[k] *= up[k];
    }
    store<N>(out + row * width + column, y);
  });
}

template <class T, class F>
__global__ void __launch_bounds__(256) backward(T* gradients, const T* d_out, const T* inputs, int64_t width, int64_t vectors_end) {
  const int64_t row = blockIdx.x, begin = row * width * (F::kGated ? 2 : 1);
  const T* x = inputs + begin;
  T* d_x = gradients + begin;
  const int64_t thread = static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  for_columns(width, vectors_end, thread, static_cast<int64_t>(gridDim.y) * blockDim.x, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    const Vec<N> v = load<N>(x + column), dy = load<N>(d_out + row * width + column);
    Vec<N> up, dx, du;
    if constexpr (F::kGated) up = load<N>(x + width + column);
#pragma unroll
    for (int k = 0; k < N; k++) {
      const Factor s = factor<F::kKind>(v[k]);
      dx[k] = dy[k];
      if constexpr (F::kGated) dx[k] *= up[k];
      if constexpr (F::kKind == DPO4J_ACTIVATION_SILU) {
        dx[k] = dx[k] * s.value * (1.0f + v[k] * (1.0f - s.value));
      } else {
        dx[k] = dx[k] * fmaf(v[k], s.slope, s.value);
      }
      du[k] = dy[k] * v[k] * s.value;
    }
    store<N>(d_x + column, dx);
    if constexpr (F::kGated) store<N>(d_x + width + column, du);
  });
}

// The threads of a block, for rows of so many items: a multiple of a warp from 128 to 256 with which the fewest threads have no item. 608
// vectors are 4 blocks of 160 threads; they would be 3 of 256.
int64_t threads_of(int64_t items) {
  if (items <= 256) return divide_up(items, 32) * 32;
  int64_t best = 256;
  for (int64_t threads = 256 - 32; threads >= 128; threads -= 32) {
    if (divide_up(items, threads) * threads < divide_up(items, best) * best) best = threads;
  }
  return best;
}

// One vector per thread, and as many blocks per row as that needs.
struct Shape {
  dim3 grid, block;
  int64_t vectors_end;
};

template <class T>
Shape shape_of(int64_t rows, int64_t width) {
  const int64_t vectors_end = whole_vectors_end_to_end(width, sizeof(T));
  const int64_t items = vectors_end > 0 ? divide_up(width, kVector) : width;
  const int64_t threads = threads_of(items);
  const int64_t blocks = divide_up(items, threads);
  return {dim3(rows, blocks < 65535 ? blocks : 65535), dim3(threads), vectors_end};
}

template <class T, class F>
int launch_function(const LaunchContext& context, const dpo4j_activation_forward_params& p) {
  const Shape shape = shape_of<T>(p.rows, p.width);
  return launch(context, forward<T, F>, shape.grid, shape.block, 0, static_cast<T*>(p.out), static_cast<const T*>(p.x), p.width,
                shape.vectors_end);
}

template <class T, class F>
int launch_function(const LaunchContext& context, const dpo4j_activation_backward_params& p) {
  const Shape shape = shape_of<T>(p.rows, p.width);
  return launch(context, backward<T, F>, shape.grid, shape.block, 0, static_cast<T*>(p.d_x), static_cast<const T*>(p.d_out),
                static_cast<const T*>(p.x), p.width, shape.vectors_end);
}

template <class T, int KIND, class Params>
int launch_kind(const LaunchContext& context, const Params& p) {
  return p.gated ? launch_function<T, Function<KIND, true>>(context, p) : launch_function<T, Function<KIND, false>>(context, p);
}

template <class T, class Params>
int launch_dtype(const LaunchContext& context, const Params& p) {
  if (p.kind == DPO4J_ACTIVATION_SILU) return launch_kind<T, DPO4J_ACTIVATION_SILU>(context, p);
  if (p.kind == DPO4J_ACTIVATION_GELU_ERF) return launch_kind<T, DPO4J_ACTIVATION_GELU_ERF>(context, p);
  return launch_kind<T, DPO4J_ACTIVATION_GELU_TANH>(context, p);
}

template <class Params>
int dispatch(const LaunchContext& context, const Params& p) {
  return p.dtype == DPO4J_BF16 ? launch_dtype<__nv_bfloat16>(context, p) : launch_dtype<float>(context, p);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_activation_forward_params& p) { return dispatch(context, p); }
int run(const LaunchContext& context, const dpo4j_activation_backward_params& p) { return dispatch(context, p); }

}  // namespace dpo4j::cuda
