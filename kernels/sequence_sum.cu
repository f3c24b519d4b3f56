// sequence_sum: sums[s] = sum of values over [offsets[s], offsets[s+1]), accumulated in fp64; backward gives d_sums[s] to each of them.
//
// Bytes moved: 4 a value, either way. Launch-bound: a batch holds some thousand values.
#include "reduce.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kSequencesPerBlock = 4;

__device__ __forceinline__ int64_t own_sequence() { return static_cast<int64_t>(blockIdx.x) * kSequencesPerBlock + threadIdx.y; }

// A warp sums a sequence: lane l adds values l, l + 32, ..., then the lanes meet in a fixed tree.
__global__ void __launch_bounds__(kWarp* kSequencesPerBlock)
    forward(float* sums, const float* values, const int32_t* offsets, int64_t sequences) {
  const int64_t sequence = own_sequence();
  if (sequence >= sequences) return;
  double sum = 0;
  for (int64_t i = static_cast<int64_t>(offsets[sequence]) + threadIdx.x; i < offsets[sequence + 1]; i += kWarp) sum += values[i];
  sum = warp_sum(sum);
  if (threadIdx.x == 0) sums[sequence] = static_cast<float>(sum);
}

__global__ void __launch_bounds__(kWarp* kSequencesPerBlock)
    backward(float* d_values, const float* d_sums, const int32_t* offsets, int64_t sequences) {
  const int64_t sequence = own_sequence();
  if (sequence >= sequences) return;
  const float d_sum = d_sums[sequence];
  for (int64_t i = static_cast<int64_t>(offsets[sequence]) + threadIdx.x; i < offsets[sequence + 1]; i += kWarp) d_values[i] = d_sum;
}

}  // namespace

int run(const Queue& queue, const SequenceSumForward& x) {
  return launch(queue, forward, dim3(divide_up(x.sequences, kSequencesPerBlock)), dim3(kWarp, kSequencesPerBlock), 0, x.sums, x.values,
                x.offsets, x.sequences);
}

int run(const Queue& queue, const SequenceSumBackward& x) {
  return launch(queue, backward, dim3(divide_up(x.sequences, kSequencesPerBlock)), dim3(kWarp, kSequencesPerBlock), 0, x.d_values, x.d_sums,
                x.offsets, x.sequences);
}

}  // namespace dpo4j::cuda
