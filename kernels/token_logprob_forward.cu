// token_logprob, forward: log softmax of a row of logits at its target, and statistics of the row in the same read.
//
//   lse        = m + log(sum over j of exp(x_j - m)), m the max x; x is the logit after its transform
//   logprob    = (x_target - m) - log(sum ...)
//   entropy    = log(sum ...) - sum of exp(x_j - m) (x_j - m) / sum ...
//   log_weight = logprob - log(sum over j of p_j^2), p_j^2 from exp(x_j - m)^2
//   hit        = x_target is m, and larger than all logits before it
//
// Never materialised: probabilities, log-probs of other tokens, and transformed logits (bias, scale and cap are applied in registers).
// Masked rows (target < 0) are not read. A target beyond the vocabulary makes every result NaN. Columns of -inf add nothing to the sums.
// -inf minus -inf, which is NaN, is never computed.
//
// Bytes moved, b the size of an element: b rows vocabulary. A bias is read again for each row, from L2. Share of the roofline: not yet
// measured on a GPU.
#include "token_logprob_softmax.cuh"

namespace dpo4j::cuda {
namespace {

using namespace token_logprob;

// Resident blocks per SM: the max that registers allow without a spill. With fp32 logits a thread has twice as many bytes in flight, and so
// needs more registers.
template <class S, class T, class L>
constexpr int kBlocks = L::kTransforms   ? 2
                        : S::kStatistics ? 3
                                         : (sizeof(T) == 4 ? 4 : 5);

// A block reads a row. Its threads read one slice after another, each time as the team of that slice.
template <class S, class T, class L>
__global__ void __launch_bounds__(kTeamThreads, kBlocks<S, T, L>) forward(dpo4j_token_logprob_forward_params x, Teams teams) {
  const int64_t row = blockIdx.x;
  const int32_t target = x.targets[row];
  float value;
  if (is_not_read(target, x.vocabulary, value)) {
    if (threadIdx.x == 0) write_all<S>(x, row, value);
    return;
  }
  const T* logits = static_cast<const T*>(x.logits) + logits_row(x, row) * x.logits_stride;
  const L transform(x);
  DPO4J_SHARED(S, warp_sums, [kMaxWarps]);
  const float at_target = transform_one(transform, logits, target);
  const TeamRange all{0, teams.count, 1};
  accumulate<S, T>(ReadOnce<T>{logits}, transform, teams, all, target, [&](int32_t team, const S& thread_sums) {
    const S sums = merge_lanes(thread_sums);
    if (threadIdx.x % kWarp == 0) warp_sums[team * teams.warps() + threadIdx.x / kWarp] = sums;
  });
  __syncthreads();
  if (threadIdx.x >= kWarp) return;
  const S sums = merge_warps<S>(teams, [&](int32_t warp) { return warp_sums[warp]; });
  if (threadIdx.x == 0) write_results(x, row, sums, at_target);
}

template <class S>
int launch_forward(const LaunchContext& context, const dpo4j_token_logprob_forward_params& x) {
  const Teams teams = teams_of(x.vocabulary);
  return with_transform(x.transform, [&](auto transform) {
    return with_stored(x.dtype, [&](auto stored) {
      return launch(context, forward<S, typename decltype(stored)::Type, typename decltype(transform)::Type>, dim3(x.rows),
                    dim3(teams.threads), 0, x, teams);
    });
  });
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_token_logprob_forward_params& x) {
  return x.statistics ? launch_forward<StatisticsSums>(context, x) : launch_forward<Sums>(context, x);
}

}  // namespace dpo4j::cuda
