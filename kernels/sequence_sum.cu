// sequence_sum: sums[s,:] = sum over tokens i in [offsets[s], offsets[s+1]) of factor_i values[i,:], accumulated in fp64. Backward writes
// factor_i d_sums[s,:] to each token. factor_i is 1, or tail_factor if token i is in the tail; for averages it is divided by the number of
// tokens.
//
// Bytes moved: 4 per value, in forward and in backward. Bound by its launch: a batch holds a few thousand values.
#include "formulas/sequence_sum.h"
#include "reduce.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kSequencesPerBlock = 4;

__device__ __forceinline__ int64_t own_sequence() { return static_cast<int64_t>(blockIdx.x) * kSequencesPerBlock + threadIdx.y; }

// A warp sums a sequence: lane l adds values l, l + 32, ... of the head and of the tail; then the lanes are added in a fixed tree.
__global__ void __launch_bounds__(kWarp* kSequencesPerBlock) forward(dpo4j_sequence_sum_forward_params x) {
  const int64_t sequence = own_sequence();
  if (sequence >= x.sequences.sequences) return;
  const SequenceRange range = sequence_range(x.sequences, sequence);
  for (int64_t column = 0; column < x.sequences.width; column++) {
    double head = 0, tail = 0;
    for (int64_t i = range.begin + threadIdx.x; i < range.end; i += kWarp) {
      const double value = x.values[i * x.sequences.width + column];
      if (i < range.tail) {
        head += value;
      } else {
        tail += value;
      }
    }
    head = warp_sum(head);
    tail = warp_sum(tail);
    // A factor of 0 excludes the tail, even values that are not finite.
    const double sum = range.factor * head + (range.tail_factor != 0 ? range.tail_factor * tail : 0);
    if (threadIdx.x == 0) x.sums[sequence * x.sequences.width + column] = static_cast<float>(sum);
  }
}

__global__ void __launch_bounds__(kWarp* kSequencesPerBlock) backward(dpo4j_sequence_sum_backward_params x) {
  const int64_t sequence = own_sequence();
  if (sequence >= x.sequences.sequences) return;
  const SequenceRange range = sequence_range(x.sequences, sequence);
  for (int64_t column = 0; column < x.sequences.width; column++) {
    const double d_sum = x.d_sums[sequence * x.sequences.width + column];
    for (int64_t i = range.begin + threadIdx.x; i < range.end; i += kWarp) {
      x.d_values[i * x.sequences.width + column] = static_cast<float>((i < range.tail ? range.factor : range.tail_factor) * d_sum);
    }
  }
}

template <class Params>
int launch_sequences(const LaunchContext& context, void (*kernel)(Params), const Params& x) {
  return launch(context, kernel, dim3(divide_up(x.sequences.sequences, kSequencesPerBlock)), dim3(kWarp, kSequencesPerBlock), 0, x);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_sequence_sum_forward_params& x) { return launch_sequences(context, forward, x); }

int run(const LaunchContext& context, const dpo4j_sequence_sum_backward_params& x) { return launch_sequences(context, backward, x); }

}  // namespace dpo4j::cuda
