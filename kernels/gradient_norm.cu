// gradient_norm: norm = sqrt(sum of g^2), clip = min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; max_norm 0: clip = 1.
//
// Two launches: blocks write sums of squares to the workspace, and one block adds them. Squares and sums are fp64, so that squares of
// finite gradients do not overflow. The number of blocks depends only on count.
//
// Bytes moved: 4 count. Share of the roofline: not yet measured on a GPU.
#include "reduce.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMaxBlocks = 1024, kVectorsPerThread = 4;

__global__ void __launch_bounds__(kThreads) sum_squares(double* sums, const float* gradient, int64_t count) {
  double sum = 0;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for_columns(count, whole_vectors(count), thread, static_cast<int64_t>(gridDim.x) * kThreads, [&](auto n, int64_t i) {
    constexpr int N = decltype(n)::value;
    const Vec<N> g = load<N>(gradient + i);
#pragma unroll
    for (int k = 0; k < N; k++) sum += static_cast<double>(g[k]) * g[k];
  });
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads) finish(float* norm, const double* sums, int32_t count, float max_norm) {
  double sum = 0;
  for (int32_t i = threadIdx.x; i < count; i += kThreads) sum += sums[i];
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x > 0) return;
  const float length = static_cast<float>(sqrt(sum));
  const bool finite = length < INFINITY;  // false for NaN
  const double clip = max_norm > 0 ? fmin(1.0, max_norm / (length + 1e-6)) : 1.0;
  norm[0] = finite ? length : NAN;
  norm[1] = finite ? static_cast<float>(clip) : NAN;
}

int64_t block_count(int64_t count) {
  const int64_t blocks = divide_up(count, kThreads * kVector * kVectorsPerThread);
  return blocks < kMaxBlocks ? blocks : kMaxBlocks;
}

}  // namespace

size_t gradient_norm_workspace_bytes(int64_t count) { return block_count(count) * sizeof(double); }

int run(const LaunchContext& context, const dpo4j_gradient_norm_params& x) {
  const int64_t blocks = block_count(x.count);
  double* sums = static_cast<double*>(x.workspace);
  const int error = launch(context, sum_squares, dim3(blocks), dim3(kThreads), 0, sums, x.gradient, x.count);
  if (error != cudaSuccess) return error;
  return launch(context, finish, dim3(1), dim3(kThreads), 0, x.norm, sums, static_cast<int32_t>(blocks), x.max_norm);
}

}  // namespace dpo4j::cuda
