// layer_norm: y = w (x - mean) rstd + b, rstd = 1 / sqrt(variance + epsilon) (Ba, Kiros and Hinton 2016). x may be the sum of the residual
// stream and the output of a branch; the kernel then computes and stores the sum in the same pass.
//
//   backward, with g = w dy and n = (x - mean) rstd:   d_x = d_residual + rstd (g - mean(g) - n mean(g n))
//                                                      d_w += sum over rows of dy n        d_b += sum over rows of dy
//
// The first mean is a sum of x. Its rounding error is that of the magnitudes of x, which may be far above their deviations. So the deviations
// from it are summed too, which gives the rest of the mean, and variance = mean(deviation^2) - mean(deviation)^2 (Chan, Golub and LeVeque
// 1983, the corrected two-pass algorithm). If the sum of squares of a row overflows, the row becomes NaN: 1 / infinity would make it b, which
// looks like a valid result.
//
// Never materialised: the normalised row, and g. Forward keeps the row in registers between its passes, and backward keeps there a block's part
// of d_w and d_b. Columns beyond kKept vectors per thread, and those after the last whole vector, are read again from cache instead, and summed
// in the workspace.
//
// Bytes moved, b the size of an element: forward 2 b rows width, or 4 b with a sum (residual and then layer_norm would move 5 b); backward 4
// b rows width (3 b without residual) + 16 parts width. Backward's second read of a row hits the cache. Share of the roofline: not yet
// measured on a GPU.
#include "norm.cuh"

namespace dpo4j::cuda {
namespace {

// Threads per block: one warp for a narrow row, so that an SM reads many rows of 768 columns at once; four warps for a wide row.
constexpr int kNarrow = 32, kWide = 128;
constexpr int64_t kNarrowWidth = 1024;

// The vectors of a row that a thread keeps in registers: all of them up to 1024 columns in a narrow block, and up to 4096 in a wide one.
constexpr int kKept = 4;

// Warps per SM, as registers allow.
constexpr int kForwardWarps = 24, kBackwardWarps = 12;

// The blocks of backward's first launch: those that 128 SMs run at once.
int64_t parts_of(int64_t rows, int64_t width) {
  return part_count(rows, 128 * kBackwardWarps / (width <= kNarrowWidth ? 1 : kWide / kWarp));
}

template <int THREADS, class T>
__device__ __forceinline__ void clear_padding(T* row, int64_t mean_width, int64_t width) {
  for (int64_t column = mean_width + threadIdx.x; column < width; column += THREADS) store_one(row + column, 0.0f);
}

template <class T>
struct Forward {
  T* out;
  float *mean, *rstd;
  T* sum;
  const T *x, *residual, *weight, *bias;
  int64_t width, mean_width, vectors_end;
  float epsilon;
};

// Stores the normalised values of one vector.
template <int N, class T>
__device__ __forceinline__ void write(const Forward<T>& params, T* out, Vec<N> v, int64_t column, float mean, float rest, float rstd) {
  const Vec<N> w = load<N>(params.weight + column), b = load<N>(params.bias + column);
#pragma unroll
  for (int k = 0; k < N; k++) v[k] = w[k] * ((v[k] - mean - rest) * rstd) + b[k];
  store<N>(out + column, v);
}

template <class T, int THREADS, bool RESIDUAL>
__global__ void __launch_bounds__(THREADS, kForwardWarps* kWarp / THREADS) forward(Forward<T> params) {
  const int64_t begin = blockIdx.x * params.width;
  const T* const x = (RESIDUAL ? params.sum : params.x) + begin;
  const auto for_row = [&](auto kept, auto step) { for_kept_columns<THREADS, kKept>(params.mean_width, params.vectors_end, kept, step); };
  const auto read = [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    const int64_t at = begin + column;
    return RESIDUAL ? add<N>(params.sum + at, params.x + at, params.residual + at) : load<N>(x + column);
  };
  Vec<kVector> row[kKept] = {};
  float sum = 0;
  const auto add_up = [&](const auto& v) {
    for (float value : v.x) sum += value;
  };
  for_row([&](int i, int64_t column) { add_up(row[i] = read(Count<kVector>{}, column)); },
          [&](auto n, int64_t column) { add_up(read(n, column)); });
  const float mean = block_sum<THREADS>(sum) / params.mean_width;

  float deviations[2] = {};  // their sum, and that of their squares
  const auto deviate = [&](const auto& v) {
    for (float value : v.x) {
      const float d = value - mean;
      deviations[0] += d;
      deviations[1] += d * d;
    }
  };
  for_row([&](int i, int64_t) { deviate(row[i]); }, [&](auto n, int64_t column) { deviate(load<decltype(n)::value>(x + column)); });
  DPO4J_SHARED(float, totals, [2]);
  block_sums<THREADS>(deviations, totals);
  const float rest = totals[0] / params.mean_width;
  const float variance = fmaxf(totals[1] / params.mean_width - rest * rest, 0.0f);  // not below 0, but for rounding
  const float rstd = totals[1] < INFINITY ? 1.0f / sqrtf(variance + params.epsilon) : NAN;
  if (threadIdx.x == 0) {
    params.mean[blockIdx.x] = mean + rest;
    params.rstd[blockIdx.x] = rstd;
  }
  T* const out = params.out + begin;
  for_row([&](int i, int64_t column) { write(params, out, row[i], column, mean, rest, rstd); },
          [&](auto n, int64_t column) { write(params, out, load<decltype(n)::value>(x + column), column, mean, rest, rstd); });
  clear_padding<THREADS>(out, params.mean_width, params.width);
  if (RESIDUAL) clear_padding<THREADS>(params.sum + begin, params.mean_width, params.width);
}

template <class T>
struct Backward {
  T* d_x;
  float* parts;  // [blocks][d_w, d_b][width]
  const T *d_out, *d_residual, *x, *weight;
  const float *mean, *rstd;
  int64_t rows, per_block, width, mean_width, vectors_end;
};

// One row of a block.
template <class T>
struct BackwardRow {
  const T *d_out, *x, *weight;
  float mean, rstd;
  float sums[2] = {};  // of g, and of g n

  // Adds the columns of a vector to the sums, and their terms to d_w and d_b.
  template <int N>
  __device__ __forceinline__ void add_up(int64_t column, Vec<N>& d_weight, Vec<N>& d_bias) {
    const Vec<N> dy = load<N>(d_out + column), v = load<N>(x + column), w = load<N>(weight + column);
#pragma unroll
    for (int k = 0; k < N; k++) {
      const float g = w[k] * dy[k], normed = (v[k] - mean) * rstd;
      sums[0] += g;
      sums[1] += g * normed;
      d_weight[k] += dy[k] * normed;
      d_bias[k] += dy[k];
    }
  }
};

// Computes d_x of one row, after its sums.
template <class T, int THREADS>
__device__ __forceinline__ void write_row(const Backward<T>& params, const BackwardRow<T>& row, int64_t begin, float level, float slope) {
  const T* const d_residual = params.d_residual ? params.d_residual + begin : nullptr;
  T* const d_x = params.d_x + begin;
  for_columns(params.mean_width, params.vectors_end, threadIdx.x, THREADS, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    const Vec<N> dy = load<N>(row.d_out + column), v = load<N>(row.x + column), w = load<N>(row.weight + column);
    Vec<N> dx{};
    if (d_residual) dx = load<N>(d_residual + column);
#pragma unroll
    for (int k = 0; k < N; k++) dx[k] += row.rstd * (w[k] * dy[k] - level - (v[k] - row.mean) * row.rstd * slope);
    store<N>(d_x + column, dx);
  });
  clear_padding<THREADS>(d_x, params.mean_width, params.width);
}

template <class T, int THREADS>
__global__ void __launch_bounds__(THREADS, kBackwardWarps* kWarp / THREADS) backward(Backward<T> params) {
  float *const part_weight = params.parts + 2 * blockIdx.x * params.width, *const part_bias = part_weight + params.width;
  const auto for_row = [&](auto kept, auto step) { for_kept_columns<THREADS, kKept>(params.mean_width, params.vectors_end, kept, step); };
  const auto clear = [&](auto n, int64_t column) {
    store<decltype(n)::value>(part_weight + column, {});
    store<decltype(n)::value>(part_bias + column, {});
  };
  for_row([](int, int64_t) {}, clear);
  clear_padding<THREADS>(part_weight, params.mean_width, params.width);
  clear_padding<THREADS>(part_bias, params.mean_width, params.width);

  Vec<kVector> d_weight[kKept] = {}, d_bias[kKept] = {};
  DPO4J_SHARED(float, totals, [2]);
  const int64_t first = blockIdx.x * params.per_block;
  const int64_t end = first + params.per_block < params.rows ? first + params.per_block : params.rows;
  for (int64_t i = first; i < end; i++) {
    const int64_t begin = i * params.width;
    BackwardRow<T> row{params.d_out + begin, params.x + begin, params.weight, params.mean[i], params.rstd[i]};
    for_row([&](int k, int64_t column) { row.add_up(column, d_weight[k], d_bias[k]); },
            [&](auto n, int64_t column) {
              constexpr int N = decltype(n)::value;
              Vec<N> to_weight = load<N>(part_weight + column), to_bias = load<N>(part_bias + column);
              row.add_up(column, to_weight, to_bias);
              store<N>(part_weight + column, to_weight);
              store<N>(part_bias + column, to_bias);
            });
    block_sums<THREADS>(row.sums, totals);
    write_row<T, THREADS>(params, row, begin, totals[0] / params.mean_width, totals[1] / params.mean_width);
  }

  for_row(
      [&](int k, int64_t column) {
        store<kVector>(part_weight + column, d_weight[k]);
        store<kVector>(part_bias + column, d_bias[k]);
      },
      [](auto, int64_t) {});
}

// The column where vectors end: none are used if the second row would not be 16-byte aligned.
int64_t vectors_end(int64_t mean_width, int64_t width, int64_t element_bytes) {
  return width * element_bytes % 16 == 0 ? whole_vectors(mean_width) : 0;
}

template <class T, bool RESIDUAL>
int launch_forward(const LaunchContext& context, const dpo4j_layer_norm_forward_params& x) {
  const bool narrow = x.width <= kNarrowWidth;
  const Forward<T> params{static_cast<T*>(x.out),
                          x.mean,
                          x.rstd,
                          static_cast<T*>(x.sum),
                          static_cast<const T*>(x.x),
                          static_cast<const T*>(x.residual),
                          static_cast<const T*>(x.weight),
                          static_cast<const T*>(x.bias),
                          x.width,
                          x.mean_width,
                          vectors_end(x.mean_width, x.width, sizeof(T)),
                          x.epsilon};
  return launch(context, narrow ? forward<T, kNarrow, RESIDUAL> : forward<T, kWide, RESIDUAL>, dim3(x.rows), dim3(narrow ? kNarrow : kWide),
                0, params);
}

template <class T>
int launch_forward(const LaunchContext& context, const dpo4j_layer_norm_forward_params& x) {
  return x.residual != nullptr ? launch_forward<T, true>(context, x) : launch_forward<T, false>(context, x);
}

template <class T>
int launch_backward(const LaunchContext& context, const dpo4j_layer_norm_backward_params& x) {
  if (x.rows == 0) return cudaSuccess;
  const int64_t parts = parts_of(x.rows, x.width);
  const Backward<T> params{static_cast<T*>(x.d_x),
                           static_cast<float*>(x.workspace),
                           static_cast<const T*>(x.d_out),
                           static_cast<const T*>(x.d_residual),
                           static_cast<const T*>(x.x),
                           static_cast<const T*>(x.weight),
                           x.mean,
                           x.rstd,
                           x.rows,
                           divide_up(x.rows, parts),
                           x.width,
                           x.mean_width,
                           vectors_end(x.mean_width, x.width, sizeof(T))};
  const bool narrow = x.width <= kNarrowWidth;
  const int error =
      launch(context, narrow ? backward<T, kNarrow> : backward<T, kWide>, dim3(parts), dim3(narrow ? kNarrow : kWide), 0, params);
  return error != cudaSuccess || x.d_weight == nullptr ? error
                                                       : launch_add_parts(context, x.d_weight, x.d_bias, params.parts, parts, x.width);
}

}  // namespace

size_t layer_norm_backward_workspace_bytes(int64_t rows, int64_t width) { return 2 * parts_of(rows, width) * width * sizeof(float); }

int run(const LaunchContext& context, const dpo4j_layer_norm_forward_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_forward<__nv_bfloat16>(context, x) : launch_forward<float>(context, x);
}

int run(const LaunchContext& context, const dpo4j_layer_norm_backward_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_backward<__nv_bfloat16>(context, x) : launch_backward<float>(context, x);
}

}  // namespace dpo4j::cuda
