// unpaired_loss: loss, gradient and metrics of single completions, each desirable or undesirable, in one launch of one block. The formulas
// are in unpaired_loss.h. First, all threads compute the KL baseline. Sums of the baseline and of metrics are reductions over the block in
// a fixed order.
//
// Bytes moved: 20 per completion, 8 per completion of the baseline. Bound by launch latency.
#include "formulas/unpaired_loss.h"
#include "reduce.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads) losses_of_completions(dpo4j_unpaired_loss_params x) {
  double kl_sum = 0;
  for (int64_t i = threadIdx.x; i < x.kl_completions; i += kThreads) kl_sum += static_cast<double>(x.kl_sums[i]) - x.kl_reference[i];
  const double kl = kl_of(x, block_sum<kThreads>(kl_sum));
  double sums[kUnpairedSums] = {};
  for (int64_t i = threadIdx.x; i < x.completions; i += kThreads) {
    write_completion(x, i, kl);
    if (x.metrics) add_metrics(sums, x, i);
  }
  if (!x.metrics) return;
  DPO4J_SHARED(double, total, [kUnpairedSums]);
  block_sums<kThreads>(sums, total);
  if (threadIdx.x == 0) write_metrics(x, total, kl);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_unpaired_loss_params& x) {
  return launch(context, losses_of_completions, dim3(x.completions > 0 ? 1 : 0), dim3(kThreads), 0, x);
}

}  // namespace dpo4j::cuda
