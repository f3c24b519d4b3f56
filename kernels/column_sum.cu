// column_sum: sums_j += sum over rows of scale_row in_row,j. The gradient of a bias is the column sum of the gradient of the output.
//
// A block owns the columns of 32 vectors of 16 bytes. Each of its 8 warps adds every eighth row. Then the sums of the warps are added in
// order.
//
// Bytes moved, b the size of an element: b rows width. Share of the roofline: not yet measured on a GPU.
#include "reduce.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kWarps = 8;

// The N columns of a thread: 16 bytes of them, or one column at the end of a row.
template <int N, class T>
__device__ __forceinline__ Vec<N> sum_rows(const dpo4j_column_sum_params& x, int64_t column) {
  const T* const in = static_cast<const T*>(x.in) + column;
  Vec<N> sum{};
#pragma unroll 4
  for (int64_t row = threadIdx.y; row < x.rows; row += kWarps) {
    const Vec<N> v = load<N, Access::kOnce>(in + row * x.in_stride);
    const float scale = x.scale ? x.scale[row] : 1.0f;
#pragma unroll
    for (int k = 0; k < N; k++) sum[k] = fmaf(scale, v[k], sum[k]);
  }
  return sum;
}

template <class T>
__global__ void __launch_bounds__(kWarp* kWarps) add_columns(dpo4j_column_sum_params x) {
  constexpr int N = kPer16Bytes<T>;
  const int64_t column = (static_cast<int64_t>(blockIdx.x) * kWarp + threadIdx.x) * N;
  const int32_t columns = static_cast<int32_t>(x.width - column < N ? x.width - column : N);  // none if 0 or less
  Vec<N> sum{};
  if (columns == N) {
    sum = sum_rows<N, T>(x, column);
  } else {
    for (int32_t k = 0; k < columns; k++) sum[k] = sum_rows<1, T>(x, column + k)[0];
  }
  DPO4J_SHARED(float, warp_sums, [kWarps][N][kWarp]);
#pragma unroll
  for (int k = 0; k < N; k++) warp_sums[threadIdx.y][k][threadIdx.x] = sum[k];
  __syncthreads();
  const int32_t k = static_cast<int32_t>(threadIdx.y);  // each warp finishes one column of every vector
  if (k >= N || k >= columns) return;
  float total = warp_sums[0][k][threadIdx.x];
#pragma unroll
  for (int warp = 1; warp < kWarps; warp++) total += warp_sums[warp][k][threadIdx.x];
  x.sums[column + k] += total;
}

template <class T>
int launch_add_columns(const LaunchContext& context, const dpo4j_column_sum_params& x) {
  static_assert(kPer16Bytes<T> <= kWarps, "a warp for each column of a vector");
  return launch(context, add_columns<T>, dim3(divide_up(x.width, kWarp * kPer16Bytes<T>)), dim3(kWarp, kWarps), 0, x);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_column_sum_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_add_columns<__nv_bfloat16>(context, x) : launch_add_columns<float>(context, x);
}

}  // namespace dpo4j::cuda
