// swiglu: y = silu(gate) up, silu(x) = x sigmoid(x) (Shazeer 2020).
//
//   backward, with s = sigmoid(gate):   d_gate = dy up s (1 + gate (1 - s))      d_up = dy gate s
//
// Never materialised: silu(gate), which backward recomputes. Backward may run in place: a thread reads its gate and up before it overwrites
// them. Bytes moved, b the size of an element: forward 3 b rows width; backward 5 b rows width. Share of the roofline: not yet measured on
// a GPU.
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

template <class T>
__global__ void __launch_bounds__(256) forward(T* out, const T* gate_up, int64_t width, int64_t vectors_end) {
  const int64_t row = blockIdx.x;
  const T* gate = gate_up + row * 2 * width;
  const int64_t thread = static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  for_columns(width, vectors_end, thread, static_cast<int64_t>(gridDim.y) * blockDim.x, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    const Vec<N> g = load<N>(gate + column), up = load<N>(gate + width + column);
    Vec<N> y;
#pragma unroll
    for (int k = 0; k < N; k++) y[k] = g[k] * sigmoid(g[k]) * up[k];
    store<N>(out + row * width + column, y);
  });
}

template <class T>
__global__ void __launch_bounds__(256) backward(T* d_gate_up, const T* d_out, const T* gate_up, int64_t width, int64_t vectors_end) {
  const int64_t row = blockIdx.x;
  const T* gate = gate_up + row * 2 * width;
  T* d_gate = d_gate_up + row * 2 * width;
  const int64_t thread = static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  for_columns(width, vectors_end, thread, static_cast<int64_t>(gridDim.y) * blockDim.x, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    const Vec<N> g = load<N>(gate + column), up = load<N>(gate + width + column), dy = load<N>(d_out + row * width + column);
    Vec<N> dg, du;
#pragma unroll
    for (int k = 0; k < N; k++) {
      const float s = sigmoid(g[k]);
      dg[k] = dy[k] * up[k] * s * (1.0f + g[k] * (1.0f - s));
      du[k] = dy[k] * g[k] * s;
    }
    store<N>(d_gate + column, dg);
    store<N>(d_gate + width + column, du);
  });
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
  const int64_t threads = items >= 256 ? 256 : divide_up(items, 32) * 32;
  const int64_t blocks = divide_up(items, threads);
  return {dim3(rows, blocks < 65535 ? blocks : 65535), dim3(threads), vectors_end};
}

template <class T>
int launch_forward(const LaunchContext& context, const dpo4j_swiglu_forward_params& x) {
  const Shape shape = shape_of<T>(x.rows, x.width);
  return launch(context, forward<T>, shape.grid, shape.block, 0, static_cast<T*>(x.out), static_cast<const T*>(x.gate_up), x.width,
                shape.vectors_end);
}

template <class T>
int launch_backward(const LaunchContext& context, const dpo4j_swiglu_backward_params& x) {
  const Shape shape = shape_of<T>(x.rows, x.width);
  return launch(context, backward<T>, shape.grid, shape.block, 0, static_cast<T*>(x.d_gate_up), static_cast<const T*>(x.d_out),
                static_cast<const T*>(x.gate_up), x.width, shape.vectors_end);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_swiglu_forward_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_forward<__nv_bfloat16>(context, x) : launch_forward<float>(context, x);
}

int run(const LaunchContext& context, const dpo4j_swiglu_backward_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_backward<__nv_bfloat16>(context, x) : launch_backward<float>(context, x);
}

}  // namespace dpo4j::cuda
