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
#include "token_logprob_rows.cuh"

namespace dpo4j::cuda {
namespace {

using namespace token_logprob;

// Resident blocks per SM: the max that registers allow without a spill. With fp32 logits a thread has twice as many bytes in flight, and so
// needs more registers.
template <class S, class T, class L>
constexpr int kBlocks = L::kTransforms   ? 2
                        : S::kStatistics ? 3
                                         : (sizeof(T) == 4 ? 4 : 5);

// A block reads one row, or several short rows one after another. Its threads read one slice of a row after another, each time as the team of
// that slice. The sums of two rows are in shared memory by turns: warp 0 merges those of one while the others write those of the next.
template <class S, class T, class L>
__global__ void __launch_bounds__(kTeamThreads, kBlocks<S, T, L>) forward(dpo4j_token_logprob_forward_params x, Teams teams) {
  const BlockRows rows{blockIdx.x, gridDim.x};
  DPO4J_SHARED(ListedRow, listed, [kMaxRows + 1]);
  DPO4J_SHARED(S, warp_sums, [2][kMaxWarps]);
  T at_target{};
  const int32_t count = list_rows<S>(x, rows, true, listed, at_target);
  if (count == 0) return;
  const L transform(x);
  const TeamRange all{0, teams.count, 1};
  const T* const logits = static_cast<const T*>(x.logits);
  Tile<T> next = first_tile<Access::kOnce>(logits + listed[0].logits_row * x.logits_stride, teams, 0);
  for (int32_t place = 0; place < count; place++) {
    const ListedRow* const read = listed + place;
    accumulate<S>(ReadOnce<T>{logits, x.logits_stride, read}, next, transform, teams, all, read->target,
                  [&](int32_t team, const S& thread_sums) {
                    const S sums = merge_lanes(thread_sums);
                    if (threadIdx.x % kWarp == 0) warp_sums[place % 2][team * teams.warps() + threadIdx.x / kWarp] = sums;
                  });
    __syncthreads();
    if (threadIdx.x >= kWarp) continue;
    const S sums = merge_warps<S>(teams, [&](int32_t warp) { return warp_sums[place % 2][warp]; });
    const int64_t row = rows.row(read->k);
    if (static_cast<int32_t>(threadIdx.x) == read->k) write_results(x, row, sums, transform_stored(transform, at_target, read->target));
  }
}

template <class S>
int launch_forward(const LaunchContext& context, const dpo4j_token_logprob_forward_params& x) {
  return with_transform(x.transform, [&](auto transform) {
    return with_stored(x.dtype, [&](auto stored) {
      using T = typename decltype(stored)::Type;
      const Teams teams = teams_of(x.vocabulary, sizeof(T));
      const auto kernel = forward<S, T, typename decltype(transform)::Type>;
      int resident = 0;
      const int error =
          has_short_rows(x.vocabulary, sizeof(T)) ? resident_clusters(&resident, context, 1, kernel, dim3(teams.threads), 0) : 0;
      if (error != cudaSuccess) return error;
      return launch(context, kernel, dim3(groups_of_rows(x.rows, resident)), dim3(teams.threads), 0, x, teams);
    });
  });
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_token_logprob_forward_params& x) {
  return x.statistics ? launch_forward<StatisticsSums>(context, x) : launch_forward<Sums>(context, x);
}

}  // namespace dpo4j::cuda
