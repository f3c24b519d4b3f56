// preference_loss: loss, gradient and metrics of every pair, in one launch of one block. The formulas are preference_loss.cuh's.
//
// Metrics are sums over pairs: thread t adds pairs t, t + 128, ... in fp64, the threads meet in a fixed tree, and the result is added to
// what is there. Bytes moved: 28 a pair. Launch-bound: a batch holds some dozen pairs.
#include "preference_loss.cuh"
#include "reduce.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kThreads = 128;

__global__ void __launch_bounds__(kThreads) losses_of_pairs(float* losses, float* d_sums, double* metrics, const float* sums,
                                                            const float* reference, int64_t pairs, dpo4j_preference preference) {
  double mine[DPO4J_METRICS] = {};
  for (int64_t i = threadIdx.x; i < pairs; i += kThreads) {
    const PairLoss pair =
        pair_loss(preference, sums[2 * i], sums[2 * i + 1], reference ? reference[2 * i] : 0.0f, reference ? reference[2 * i + 1] : 0.0f);
    losses[i] = pair.loss;
    d_sums[2 * i] = pair.d_chosen;
    d_sums[2 * i + 1] = pair.d_rejected;
#pragma unroll
    for (int m = 0; m < DPO4J_METRICS; m++) mine[m] += pair.metrics[m];
  }
  if (!metrics) return;
#pragma unroll
  for (int m = 0; m < DPO4J_METRICS; m++) {
    const double sum = block_sum<kThreads>(mine[m]);
    if (threadIdx.x == 0) metrics[m] += sum;
  }
}

}  // namespace

int run(const Queue& queue, const PreferenceLoss& x) {
  return launch(queue, losses_of_pairs, dim3(x.pairs > 0 ? 1 : 0), dim3(kThreads), 0, x.losses, x.d_sums, x.metrics, x.sums, x.reference,
                x.pairs, x.preference);
}

}  // namespace dpo4j::cuda
