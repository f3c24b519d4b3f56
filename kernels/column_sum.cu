// column_sum: sums_j += sum over rows of scale_row in_row,j. The gradient of a bias is the column sum of the gradient of the output.
//
// A block owns the columns of LANES vectors of 16 bytes. Its threads are teams of LANES, each of which adds every TEAMS-th row. Then the
// sums of the teams are added in a fixed order. If all rows had 512 bytes of columns a block, a matrix of 1000 columns would occupy four
// SMs. So narrow matrices have 64 bytes a block, and as many threads as a block may have.
//
// Bytes moved, b the size of an element: b rows width. Share of the roofline: not yet measured on a GPU.
#include "reduce.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

// Loads of a thread before it adds them.
constexpr int kAtOnce = 8;

// Narrow matrices have fewer vectors than this. The order of additions depends on it, and so on the width alone.
constexpr int64_t kNarrowVectors = 1024;

// The columns of a thread: 16 bytes of them, or one column at the end of a row.
template <int N, int TEAMS, class T>
__device__ __forceinline__ Vec<N> sum_rows(const dpo4j_column_sum_params& x, int64_t column) {
  const T* const in = static_cast<const T*>(x.in) + column;
  Vec<N> sum{};
  const uint32_t rows_end = static_cast<uint32_t>(x.rows);
  for (uint32_t row = threadIdx.y; row < rows_end; row += kAtOnce * TEAMS) {
    std::conditional_t<N == 1, float, Packed16<T>> rows[kAtOnce] = {};
    float scales[kAtOnce] = {};
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      const uint32_t at = row + i * TEAMS;
      if (at >= rows_end) continue;
      if constexpr (N == 1) {
        rows[i] = load_one(in + at * x.in_stride);
      } else {
        rows[i] = load_vector<Access::kOnce>(reinterpret_cast<const Packed16<T>*>(in + at * x.in_stride));
      }
      scales[i] = x.scale ? x.scale[at] : 1.0f;
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; i++) {
      if (row + i * TEAMS >= rows_end) break;
      if constexpr (N == 1) {
        sum[0] = fmaf(scales[i], rows[i], sum[0]);
      } else {
        const Vec<N> v = unpack<T>(rows[i]);
#pragma unroll
        for (int k = 0; k < N; k++) sum[k] = fmaf(scales[i], v[k], sum[k]);
      }
    }
  }
  return sum;
}

template <class T, int LANES, int WARPS>
__global__ void __launch_bounds__(kWarp* WARPS) add_columns(dpo4j_column_sum_params x) {
  constexpr int N = kPer16Bytes<T>, TEAMS = kWarp / LANES * WARPS;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * LANES * N, column = first + threadIdx.x * N;
  const int32_t columns = static_cast<int32_t>(x.width - column < N ? x.width - column : N);  // none if 0 or less
  Vec<N> sum{};
  if (columns == N) {
    sum = sum_rows<N, TEAMS, T>(x, column);
  } else {
    for (int32_t k = 0; k < columns; k++) sum[k] = sum_rows<1, TEAMS, T>(x, column + k)[0];
  }
  // The teams of a warp by a tree, then the warps in order.
#pragma unroll
  for (int distance = kWarp / 2; distance >= LANES; distance /= 2) {
#pragma unroll
    for (int k = 0; k < N; k++) sum[k] += __shfl_xor_sync(kAllLanes, sum[k], distance);
  }
  DPO4J_SHARED(float, warp_sums, [WARPS][N][LANES]);
  const int thread = static_cast<int>(threadIdx.y * LANES + threadIdx.x);
  if (thread % kWarp < LANES) {
#pragma unroll
    for (int k = 0; k < N; k++) warp_sums[thread / kWarp][k][thread % kWarp] = sum[k];
  }
  __syncthreads();
  const int lane = thread % LANES, k = thread / LANES;  // each thread finishes one column
  if (k >= N || first + lane * N + k >= x.width) return;
  float total = warp_sums[0][k][lane];
#pragma unroll
  for (int warp = 1; warp < WARPS; warp++) total += warp_sums[warp][k][lane];
  x.sums[first + lane * N + k] += total;
}

template <class T, int LANES, int WARPS>
int launch_add_columns(const LaunchContext& context, const dpo4j_column_sum_params& x) {
  constexpr int N = kPer16Bytes<T>;
  static_assert(N * LANES <= kWarp * WARPS, "a thread for each column");
  return launch(context, add_columns<T, LANES, WARPS>, dim3(divide_up(x.width, LANES * N)), dim3(LANES, kWarp / LANES * WARPS), 0, x);
}

template <class T>
int launch_add_columns(const LaunchContext& context, const dpo4j_column_sum_params& x) {
  return divide_up(x.width, kPer16Bytes<T>) < kNarrowVectors ? launch_add_columns<T, 4, 32>(context, x)
                                                             : launch_add_columns<T, kWarp, 8>(context, x);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_column_sum_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_add_columns<__nv_bfloat16>(context, x) : launch_add_columns<float>(context, x);
}

}  // namespace dpo4j::cuda
