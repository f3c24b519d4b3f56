// rms_norm: y = w x rstd, w = weight + weight_offset, rstd = 1 / sqrt(mean(x^2) + epsilon) (Zhang and Sennrich 2019). x may be the sum of the residual stream and the
// output of a branch; the kernel then computes and stores the sum in the same pass.
//
//   backward, with g = w dy:   d_x = d_residual + rstd (g - x rstd^2 mean(g x))        d_w += sum over rows of dy x rstd
//
// If the sum of squares of a row overflows, the row becomes NaN: 1 / infinity would make it 0, which looks like a valid result.
//
// Never materialised: the normalised row, and g. d_w is summed without atomics: `parts` blocks each add their rows in order to their own
// part of the workspace. A second launch adds the parts in a fixed order. The number of parts depends only on the sizes. A row with
// several groups, such as heads, counts as so many rows.
//
// Bytes moved, b the size of an element: forward 2 b rows width, or 4 b with a sum (residual and then rms_norm would move 5 b); backward 4
// b rows width (3 b without residual) + 8 parts width. The second read of a row hits the cache. Share of the roofline: not yet measured on
// a GPU.
#include "norm.cuh"

namespace dpo4j::cuda {
namespace {

// Threads per block: one warp for a narrow row, eight for a wide row.
constexpr int kNarrow = 32, kWide = 256;
constexpr int64_t kNarrowWidth = 512;

// The blocks of backward's first launch.
int64_t parts_of(int64_t rows, int64_t width) { return part_count(rows, width <= kNarrowWidth ? 2048 : 512); }

template <class T>
struct Forward {
  T* out;
  float* rstd;
  T* sum;
  const T *x, *residual, *weight;
  int64_t width, mean_width, vectors_end, x_stride, out_stride;
  float epsilon, weight_offset;
};

// Without a number of blocks the compiler aims at 32 registers and spills two of them.
template <class T, int THREADS, bool RESIDUAL>
__global__ void __launch_bounds__(THREADS, THREADS == kWide ? 6 : 32) forward(Forward<T> params) {
  // Block (row, group).
  const int64_t group = blockIdx.y * params.width, begin = blockIdx.x * params.x_stride + group;
  T* const out = params.out + blockIdx.x * params.out_stride + group;
  const T* const x = RESIDUAL ? params.sum + begin : params.x + begin;
  float squares = 0;
  for_columns(params.width, params.vectors_end, threadIdx.x, THREADS, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    const int64_t at = begin + column;
    const Vec<N> v = RESIDUAL ? add<N>(params.sum + at, params.x + at, params.residual + at) : load<N>(x + column);
#pragma unroll
    for (int k = 0; k < N; k++) squares += v[k] * v[k];
  });
  const float all_squares = block_sum<THREADS>(squares);
  const float r = all_squares < INFINITY ? 1.0f / sqrtf(all_squares / params.mean_width + params.epsilon) : NAN;
  if (threadIdx.x == 0) params.rstd[static_cast<int64_t>(blockIdx.x) * gridDim.y + blockIdx.y] = r;
  for_columns(params.width, params.vectors_end, threadIdx.x, THREADS, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    Vec<N> v = load<N>(x + column);
    const Vec<N> w = load<N>(params.weight + column);
#pragma unroll
    for (int k = 0; k < N; k++) v[k] = v[k] * r * (w[k] + params.weight_offset);
    store<N>(out + column, v);
  });
}

template <class T>
struct Backward {
  T* d_x;
  float* parts;  // [blocks, width]
  const T *d_out, *d_residual, *x, *weight;
  const float* rstd;
  int64_t count, per_block;  // groups of all rows
  int64_t groups, width, mean_width, vectors_end, x_stride, out_stride;
  float weight_offset;
};

// One group of a row: computes d_x and adds the group's part of d_w to `d_weight`. A thread accesses only its own columns of `d_weight`.
template <class T, int THREADS>
__device__ void backward_group(const Backward<T>& params, int64_t row, int64_t group, float* d_weight) {
  const int64_t begin = row * params.out_stride + group * params.width;
  const T *d_out = params.d_out + begin, *x = params.x + row * params.x_stride + group * params.width;
  const T* d_residual = params.d_residual ? params.d_residual + begin : nullptr;
  T* d_x = params.d_x + begin;
  const float r = params.rstd[row * params.groups + group];
  float dot = 0;
  for_columns(params.width, params.vectors_end, threadIdx.x, THREADS, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    const Vec<N> dy = load<N>(d_out + column), v = load<N>(x + column), w = load<N>(params.weight + column);
    Vec<N> dw = load<N>(d_weight + column);
#pragma unroll
    for (int k = 0; k < N; k++) {
      dot += dy[k] * (w[k] + params.weight_offset) * v[k];
      dw[k] += dy[k] * (v[k] * r);
    }
    store<N>(d_weight + column, dw);
  });
  const float slope = block_sum<THREADS>(dot) / params.mean_width * r * r;
  for_columns(params.width, params.vectors_end, threadIdx.x, THREADS, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    const Vec<N> dy = load<N>(d_out + column), v = load<N>(x + column), w = load<N>(params.weight + column);
    Vec<N> dx{};
    if (d_residual) dx = load<N>(d_residual + column);
#pragma unroll
    for (int k = 0; k < N; k++) dx[k] += r * (dy[k] * (w[k] + params.weight_offset) - v[k] * slope);
    store<N>(d_x + column, dx);
  });
}

// SHARED: a part of d_w fits in shared memory and is accumulated there. Otherwise it is accumulated in the workspace.
template <class T, int THREADS, bool SHARED>
__global__ void __launch_bounds__(THREADS, 1024 / THREADS) backward(Backward<T> params) {
  DPO4J_DYNAMIC_SHARED(float, shared);
  float* const part = params.parts + blockIdx.x * params.width;
  float* const d_weight = SHARED ? shared : part;
  const auto clear = [&](auto n, int64_t column) { store<decltype(n)::value>(d_weight + column, {}); };
  for_columns(params.width, params.vectors_end, threadIdx.x, THREADS, clear);

  const int64_t begin = blockIdx.x * params.per_block;
  const int64_t end = begin + params.per_block < params.count ? begin + params.per_block : params.count;
  int64_t row = begin / params.groups, group = begin % params.groups;
  for (int64_t i = begin; i < end; i++) {
    backward_group<T, THREADS>(params, row, group, d_weight);
    if (++group == params.groups) row++, group = 0;
  }

  if (!SHARED) return;
  for_columns(params.width, params.vectors_end, threadIdx.x, THREADS, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    store<N>(part + column, load<N>(shared + column));
  });
}

// As whole_vectors_end_to_end, for groups of rows with these strides.
int64_t vectors_end(int64_t width, int64_t x_stride, int64_t out_stride, int64_t element_bytes) {
  const bool aligned = x_stride * element_bytes % 16 == 0 && out_stride * element_bytes % 16 == 0;
  return aligned ? whole_vectors_end_to_end(width, element_bytes) : 0;
}

template <class T, bool RESIDUAL>
int launch_forward(const LaunchContext& context, const dpo4j_rms_norm_forward_params& x) {
  const bool narrow = x.width <= kNarrowWidth;
  const Forward<T> params{static_cast<T*>(x.out),
                          x.rstd,
                          static_cast<T*>(x.sum),
                          static_cast<const T*>(x.x),
                          static_cast<const T*>(x.residual),
                          static_cast<const T*>(x.weight),
                          x.width,
                          x.mean_width,
                          vectors_end(x.width, x.x_stride, x.out_stride, sizeof(T)),
                          x.x_stride,
                          x.out_stride,
                          x.epsilon,
                          x.weight_offset};
  return launch(context, narrow ? forward<T, kNarrow, RESIDUAL> : forward<T, kWide, RESIDUAL>, dim3(x.rows, x.groups),
                dim3(narrow ? kNarrow : kWide), 0, params);
}

template <class T>
int launch_forward(const LaunchContext& context, const dpo4j_rms_norm_forward_params& x) {
  return x.residual != nullptr ? launch_forward<T, true>(context, x) : launch_forward<T, false>(context, x);
}

template <class T>
int launch_backward(const LaunchContext& context, const dpo4j_rms_norm_backward_params& x) {
  if (x.rows == 0) return cudaSuccess;
  const int64_t count = x.rows * x.groups;
  const int64_t parts = parts_of(count, x.width);
  const Backward<T> params{static_cast<T*>(x.d_x),
                           static_cast<float*>(x.workspace),
                           static_cast<const T*>(x.d_out),
                           static_cast<const T*>(x.d_residual),
                           static_cast<const T*>(x.x),
                           static_cast<const T*>(x.weight),
                           x.rstd,
                           count,
                           divide_up(count, parts),
                           x.groups,
                           x.width,
                           x.mean_width,
                           vectors_end(x.width, x.x_stride, x.out_stride, sizeof(T)),
                           x.x_stride,
                           x.out_stride,
                           x.weight_offset};
  const size_t part_bytes = x.width * sizeof(float);
  int error;
  if (x.width <= kNarrowWidth) {
    error = launch(context, backward<T, kNarrow, true>, dim3(parts), dim3(kNarrow), part_bytes, params);
  } else if (part_bytes <= kDefaultSharedBytes) {
    error = launch(context, backward<T, kWide, true>, dim3(parts), dim3(kWide), part_bytes, params);
  } else {
    error = launch(context, backward<T, kWide, false>, dim3(parts), dim3(kWide), 0, params);
  }
  if (error != cudaSuccess || x.d_weight == nullptr) return error;
  return launch_add_parts(context, x.d_weight, nullptr, params.parts, parts, x.width);
}

}  // namespace

size_t rms_norm_backward_workspace_bytes(int64_t rows, int64_t width) { return parts_of(rows, width) * width * sizeof(float); }

int run(const LaunchContext& context, const dpo4j_rms_norm_forward_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_forward<__nv_bfloat16>(context, x) : launch_forward<float>(context, x);
}

int run(const LaunchContext& context, const dpo4j_rms_norm_backward_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_backward<__nv_bfloat16>(context, x) : launch_backward<float>(context, x);
}

}  // namespace dpo4j::cuda
