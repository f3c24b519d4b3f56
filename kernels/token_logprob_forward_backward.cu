// token_logprob, forward and backward in one read of the row, also in place. Formulas are those of token_logprob_forward.cu and
// token_logprob_backward.cu, and every result has the same bits as if these two ran one after the other.
//
// Never materialised: probabilities, transformed logits, log-probs of other tokens. Between the read and the write, a row stays in shared
// memory, in its storage type. If a row does not fit in one block's shared memory, a cluster of blocks holds it, and the blocks read each
// other's sums. The gradient of a masked row is written, but its logits are not read.
//
// Bytes moved, b and b_d the sizes of an element of logits and gradient: (b + b_d) rows vocabulary. Columns that do not fit in shared
// memory (on devices without clusters, or for a very large vocabulary) are read a second time, mostly from L2: 2 b + b_d bytes each. Share
// of the roofline: not yet measured on a GPU.
#include "cluster.cuh"
#include "token_logprob_gradient.cuh"
#include "token_logprob_softmax.cuh"

namespace dpo4j::cuda {
namespace {

using namespace token_logprob;

// The part of a row that a block holds.
struct Share {
  int32_t blocks;  // per row: a cluster
  int32_t teams;   // per block; they run one after another
  int64_t held;    // the first columns of the block that stay in its shared memory; a multiple of kTile
};

// Resident blocks per SM: the max that registers allow without a spill.
template <class S, class T, class L>
constexpr int kBlocks = L::kTransforms                     ? 2
                        : S::kStatistics || sizeof(T) == 4 ? 3
                                                           : 4;

// A cluster reads a row and writes its gradient. Each element is read and written by the same thread, and the logit of the target is read
// before anything is written. So d_logits may alias logits.
template <class S, class Out, class T, class L>
__global__ void __launch_bounds__(kTeamThreads, kBlocks<S, T, L>)
    forward_backward(dpo4j_token_logprob_forward_backward_params x, Teams teams, Share share) {
  const int64_t row = blockIdx.x / share.blocks, logits_index = logits_row(x, row);
  const int32_t target = x.targets[row], rank = cluster_rank(), first_team = rank * share.teams;
  Out* d_logits = static_cast<Out*>(x.d_logits) + logits_index * x.d_logits_stride;
  const auto each_team = [&](auto act) {
    for (int32_t i = 0; i < share.teams; i++) act(i, teams.slice<T>(first_team + i));
  };
  float value;
  if (is_not_read(target, x.vocabulary, value)) {
    each_team([&](int32_t, const Slice<T>& slice) { store_all(d_logits, slice, teams.threads, value); });
    if (rank == 0 && threadIdx.x == 0) write_all<S>(x, row, value);
    return;
  }

  const T* logits = static_cast<const T*>(x.logits) + logits_index * x.logits_stride;
  const float d_logprob = x.d_logprob ? x.d_logprob[row] : 1.0f;
  const L transform(x);
  const int32_t team_vectors = static_cast<int32_t>(teams.width / kPer16Bytes<T>),
                held_vectors = static_cast<int32_t>(share.held / kPer16Bytes<T>);
  DPO4J_DYNAMIC_SHARED(Packed16<T>, held);

  DPO4J_SHARED(S, warp_sums, [kMaxWarps]);
  each_team([&](int32_t team, const Slice<T>& slice) {
    const int32_t first = team * team_vectors;
    const S thread_sums =
        sums_of<S, Access::kPlain>(logits, transform, slice, teams.threads, target, [&](const Packed16<T>& vector, int32_t i) {
          if (i < slice.vectors && first + i < held_vectors) held[first + i] = vector;
        });
    const S sums = merge_lanes(thread_sums);
    if (threadIdx.x % kWarp == 0) warp_sums[team * teams.warps() + threadIdx.x / kWarp] = sums;
  });

  const float at_target = transform_one(transform, logits, target);
  DPO4J_SHARED(float, row_lse, [1]);
  cluster_sync();
  if (threadIdx.x < kWarp) {
    const int32_t block_warps = share.teams * teams.warps();
    const S sums = merge_warps<S>(teams, [&](int32_t i) { return *cluster_shared(warp_sums + i % block_warps, i / block_warps); });
    if (threadIdx.x == 0) {
      row_lse[0] = lse_of(sums);
      if (rank == 0) write_results(x, row, sums, at_target);
    }
  }
  cluster_sync();  // row_lse is written; every block has read the others' sums, so a block may exit

  const float lse = row_lse[0];
  each_team([&](int32_t team, const Slice<T>& slice) {
    const int32_t first = team * team_vectors;
    const T* slice_logits = logits + slice.begin;
    store_gradient(d_logits, logits, transform, slice, teams.threads, target, lse, d_logprob,
                   [&](int32_t i) { return first + i < held_vectors ? held[first + i] : load_packed<Access::kOnce>(slice_logits, i); });
  });
}

// Chooses the min cluster size at which four blocks fit in the shared memory of an SM, so that other blocks read and write while one waits
// for its cluster. If four do not fit even with the max cluster size, a block uses all the shared memory that a block may have.
Share share_of(const LaunchContext& context, const Teams& teams, int64_t element_bytes) {
  constexpr int64_t kBlocksPerSm = 4, kBesides = 3 << 10;  // bytes of shared memory besides the row
  static_assert(kMaxWarps * sizeof(StatisticsSums) + 1024 < kBesides, "the sums of warps, and what the system reserves");
  Share share{1, teams.count, 0};
  const auto columns = [&] { return share.teams * teams.width; };
  while (share.teams > 1 && 2 * share.blocks <= context.max_cluster_size &&
         columns() * element_bytes > context.shared_bytes / kBlocksPerSm - kBesides) {
    share.blocks *= 2;
    share.teams /= 2;
  }
  const int64_t max_held = (context.shared_bytes - kBesides) / (kTile * element_bytes) * kTile;
  share.held = columns() < max_held ? columns() : max_held;
  return share;
}

template <class S, class Out, class T>
int launch_both(const LaunchContext& context, const dpo4j_token_logprob_forward_backward_params& x) {
  const Teams teams = teams_of(x.vocabulary);
  const Share share = share_of(context, teams, sizeof(T));
  return with_transform(x.transform, [&](auto transform) {
    return launch_clusters(context, share.blocks, forward_backward<S, Out, T, typename decltype(transform)::Type>,
                           dim3(x.rows * share.blocks), dim3(teams.threads), share.held * sizeof(T), x, teams, share);
  });
}

template <class S>
int launch_with_types(const LaunchContext& context, const dpo4j_token_logprob_forward_backward_params& x) {
  return with_stored(x.d_logits_dtype, [&](auto out) {
    return with_stored(
        x.dtype, [&](auto stored) { return launch_both<S, typename decltype(out)::Type, typename decltype(stored)::Type>(context, x); });
  });
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_token_logprob_forward_backward_params& x) {
  return x.statistics ? launch_with_types<StatisticsSums>(context, x) : launch_with_types<Sums>(context, x);
}

}  // namespace dpo4j::cuda
