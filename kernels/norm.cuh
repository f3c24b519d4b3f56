// Shared by rms_norm and layer_norm: columns of a row in registers, the sum of a residual and a branch, and sums over rows.
//
// Gradients of weights are sums over rows. They are summed without atomics: part_count() blocks each add their rows in order to their own
// part of the workspace. A second launch adds the parts in a fixed order. The number of parts depends only on the sizes.
#pragma once

#include "reduce.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

__device__ __forceinline__ float as_stored(float value, const float*) { return value; }
__device__ __forceinline__ float as_stored(float value, const __nv_bfloat16*) { return __bfloat162float(__float2bfloat16_rn(value)); }

// Distributes the columns of a row over THREADS threads as for_columns does: kept(i, column) for the first KEPT vectors of a thread, then
// step(Count<N>, column). IS_WHOLE: the row has no more vectors than that.
template <int THREADS, int KEPT, bool IS_WHOLE = false, class Kept, class Step>
__device__ __forceinline__ void for_kept_columns(int64_t width, int64_t vectors_end, Kept kept, Step step) {
  const uint32_t end = static_cast<uint32_t>(width), vectors = static_cast<uint32_t>(vectors_end);
#pragma unroll
  for (int i = 0; i < KEPT; i++) {
    const uint32_t column = (i * THREADS + threadIdx.x) * kVector;
    if (column < vectors) kept(i, column);
  }
  if constexpr (!IS_WHOLE) {
    for (uint32_t column = (KEPT * THREADS + threadIdx.x) * kVector; column < vectors; column += THREADS * kVector) {
      step(Count<kVector>{}, column);
    }
  }
  for (uint32_t column = vectors + threadIdx.x; column < end; column += THREADS) step(Count<1>{}, column);
}

// Stores v + other, and returns it as rounded by the store.
template <int N, class T>
__device__ __forceinline__ Vec<N> store_sum(T* sum, Vec<N> v, const Vec<N>& other) {
#pragma unroll
  for (int k = 0; k < N; k++) v[k] = as_stored(v[k] + other[k], sum);
  store<N>(sum, v);
  return v;
}

template <int N, class T>
__device__ __forceinline__ Vec<N> add(T* sum, const T* x, const T* residual) {
  return store_sum<N>(sum, load<N>(x), load<N>(residual));
}

// The sum over the THREADS threads of a row, which are a block, a warp, or a part of one. Calls of a block alternate between two arrays in
// shared memory, `turn` says which: so one barrier is enough, because a thread writes an array again only after a later barrier.
template <int THREADS>
__device__ __forceinline__ float row_sum(float x, int turn) {
  if constexpr (THREADS <= kWarp) {
    return lane_sum<THREADS>(x);
  } else {
    DPO4J_SHARED(float, warp_sums, [2][THREADS / kWarp]);
    x = warp_sum(x);
    if (threadIdx.x % kWarp == 0) warp_sums[turn][threadIdx.x / kWarp] = x;
    __syncthreads();
    x = 0;
#pragma unroll
    for (int warp = 0; warp < THREADS / kWarp; warp++) x += warp_sums[turn][warp];
    return x;
  }
}

// Blocks that sum rows. `max_parts` fill the largest device, but are so few that adding them is cheap.
int64_t part_count(int64_t rows, int64_t max_parts) { return rows < max_parts ? rows : max_parts; }

constexpr int kPartLanes = 32;

// sums += sum of the parts, 32 columns per block: lane y adds parts y, y + 32, ..., and the first warp adds the lanes in order. A part has
// gridDim.y rows of `width` columns: the first is added to `first`, the other to `second`.
__global__ void __launch_bounds__(32 * kPartLanes)
    add_parts(float* first, float* second, const float* parts, int64_t count, int64_t width) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * 32 + threadIdx.x, part_width = gridDim.y * width;
  DPO4J_SHARED(float, lane_sums, [kPartLanes][32]);
  float sum = 0;
  if (column < width) {
    const float* const in = parts + blockIdx.y * width + column;
#pragma unroll 4
    for (int64_t i = threadIdx.y; i < count; i += kPartLanes) sum += in[i * part_width];
  }
  lane_sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || column >= width) return;
  for (int lane = 1; lane < kPartLanes; lane++) sum += lane_sums[lane][threadIdx.x];
  (blockIdx.y == 0 ? first : second)[column] += sum;
}

// `second` is null if a part is one row.
int launch_add_parts(const LaunchContext& context, float* first, float* second, const float* parts, int64_t count, int64_t width) {
  const dim3 grid(divide_up(width, 32), second == nullptr ? 1 : 2);
  return launch(context, add_parts, grid, dim3(32, kPartLanes), 0, first, second, parts, count, width);
}

}  // namespace
}  // namespace dpo4j::cuda
