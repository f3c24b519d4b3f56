// count_step: counts a step that is applied, derives AdamW's bias corrections, and restores the sums of a step that is skipped. One block.
//
// Every thread reads clip and loss before the barrier, because the loss may be one of the sums, and thread 0 writes clip.
//
// Bytes moved: 16 count. Bound by its launch: count is a few dozen.
#include "formulas/bias_correction.h"
#include "portable.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kThreads = 64;

__global__ void __launch_bounds__(kThreads) count(dpo4j_count_step_params x) {
  const float clip = *x.clip;
  const double rest = x.loss ? *x.loss - *x.loss : 0;  // 0, or NaN if the loss is not finite
  const bool is_skipped = clip != clip || rest != rest;
  __syncthreads();
  const double* from = is_skipped ? x.kept : x.sums;
  double* to = is_skipped ? x.sums : x.kept;
  for (int64_t i = threadIdx.x; i < x.count; i += kThreads) to[i] = from[i];
  if (threadIdx.x > 0) return;
  if (is_skipped) *x.clip = NAN;
  const int32_t steps = *x.steps + (is_skipped ? 0 : 1);
  *x.steps = steps;
  if (!x.corrections) return;
  x.corrections[0] = bias_correction(x.beta1, steps);
  x.corrections[1] = bias_correction(x.beta2, steps);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_count_step_params& x) { return launch(context, count, dim3(1), dim3(kThreads), 0, x); }

}  // namespace dpo4j::cuda
