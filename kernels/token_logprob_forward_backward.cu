// token_logprob, forward and backward in one read of the row, also in place. Formulas are those of token_logprob_forward.cu and
// token_logprob_backward.cu, and every result has the same bits as if these two ran one after the other.
//
// Never materialised: probabilities, transformed logits, log-probs of other tokens. Between the read and the write, a row stays in shared
// memory, in its storage type. If a row does not fit in one block's shared memory, a cluster of blocks holds it, and the blocks read each
// other's sums. The gradient of a masked row is written, but its logits are not read.
//
// In place: if shared memory holds the whole row (holds_row), nothing of it is read from memory after the cluster's first barrier, and
// nothing is written before. So a gradient of 16 bits may overwrite the first half of its own row of fp32 logits, although it covers columns
// that other threads and blocks read. If columns are read a second time, the gradient may overwrite logits of its own type only: then the
// same thread reads and writes each element.
//
// Bytes moved, b and b_d the sizes of an element of logits and gradient: (b + b_d) rows vocabulary. Columns that do not fit in shared
// memory (on devices without clusters, or for a very large vocabulary) are read a second time, mostly from L2: 2 b + b_d bytes each. Share
// of the roofline: not yet measured on a GPU.
#include "cluster.cuh"
#include "token_logprob_gradient.cuh"
#include "token_logprob_rows.cuh"

namespace dpo4j::cuda {
namespace {

using namespace token_logprob;

// The part of a row that a block holds.
struct Share {
  int32_t blocks;  // per row: a cluster
  int32_t teams;   // per block
  int32_t beside;  // of these, how many run side by side; then the next ones
  int64_t held;    // the first columns of the block that stay in its shared memory; a multiple of kTile
};

// Resident blocks of one team per SM: the max that registers allow without a spill. A block may have as many teams side by side.
template <class S, class T, class L>
constexpr int kBlocks = L::kTransforms                     ? 2
                        : S::kStatistics || sizeof(T) == 4 ? 3
                                                           : 4;

// Whether the first tile of the next row is loaded before the gradient of a row is written. With fp32, there are too few registers for it, and
// twice the bytes are in flight without it.
template <class Out, class T>
constexpr bool kLoadsAhead = sizeof(T) == 2 && sizeof(Out) == 2;

// A block's part of a row of logits. Vectors [begin, end) are kept in shared memory by accumulate(), in their storage type, and so is the
// vector that the last columns of the vocabulary fill in part. All indices count from the start of the row. A thread reads what it kept.
template <class T>
struct HeldRow {
  static constexpr Access kAccess = Access::kPlain;
  const T* row;
  Packed16<T>* held;
  int32_t begin, end;

  __device__ __forceinline__ const T* logits() const { return row; }
  // The next row is loaded later: the barrier of the cluster would wait for it.
  __device__ __forceinline__ const T* following() const { return nullptr; }
  __device__ __forceinline__ T* element(int64_t column) const {
    return reinterpret_cast<T*>(held) + (column - static_cast<int64_t>(begin) * kPer16Bytes<T>);
  }
  __device__ __forceinline__ bool holds(int64_t column) const { return column < static_cast<int64_t>(end) * kPer16Bytes<T>; }
  __device__ __forceinline__ void keep(const Packed16<T>& vector, int32_t i, int32_t slice_end) const {
    if (i < (slice_end < end ? slice_end : end)) held[i - begin] = vector;
  }
  __device__ __forceinline__ void keep_one(int64_t column) const {
    if (holds(column)) *element(column) = row[column];
  }
  __device__ __forceinline__ Packed16<T> vector(int32_t i) const { return i < end ? held[i - begin] : load_packed<Access::kOnce>(row, i); }
  __device__ __forceinline__ float one(int64_t column) const { return load_one(holds(column) ? element(column) : row + column); }
};

// Arrives at the last barrier of the cluster, which only keeps its blocks from exiting before others have read their sums. Warp 0 alone has
// read sums. It arrives before it stores results, because its arrival waits for all stores before it.
__device__ __forceinline__ void arrive_at_end() {
  if (threadIdx.x < kWarp) {
    cluster_arrive();
  } else {
    cluster_arrive_relaxed();
  }
}

// A cluster reads one row and writes its gradient, or several short rows one after another. It waits for all its blocks once per row: then the
// sums of the row are written. The sums of two rows are in shared memory by turns, because other blocks may still read those of a row while
// this block writes those of the next. A thread overwrites only what it has kept itself, after it has written the gradient of it.
template <class S, class Out, class T, class L>
__global__ void __launch_bounds__(kTeamThreads* kBlocks<S, T, L>, 1)
    forward_backward(dpo4j_token_logprob_forward_backward_params x, Teams teams, Share share) {
  const BlockRows rows{blockIdx.x / share.blocks, gridDim.x / share.blocks};
  const int32_t rank = cluster_rank(), first_team = rank * share.teams;
  const TeamRange range{first_team + static_cast<int32_t>(threadIdx.x / kTeamThreads), first_team + share.teams, share.beside};
  DPO4J_SHARED(ListedRow, listed, [kMaxRows + 1]);
  DPO4J_SHARED(S, warp_sums, [2][kMaxWarps]);
  DPO4J_SHARED(float, row_lse, [1]);
  T at_target{};
  const int32_t count = list_rows<S>(x, rows, rank == 0, listed, at_target);
  const auto each_slice = [&](auto act) {
    for (int32_t team = range.first; team < range.end; team += range.step) act(teams.slice<T>(team));
  };
  const T* const all = static_cast<const T*>(x.logits);
  const auto logits_of = [&](int32_t place) { return all + listed[place].logits_row * x.logits_stride; };
  const auto load_first = [&](int32_t place) {
    return first_tile<HeldRow<T>::kAccess>(place < count ? logits_of(place) : nullptr, teams, range.first);
  };
  Tile<T> next = load_first(0);
  for (int32_t k = 0; k < kMaxRows && rows.row(k) < x.rows; k++) {
    float value;
    const int64_t row = rows.row(k);
    if (!is_not_read(x.targets[row], x.vocabulary, value)) continue;
    Out* const d_row = static_cast<Out*>(x.d_logits) + logits_row(x, row) * x.d_logits_stride;
    each_slice([&](const Slice<T>& slice) { store_all(d_row, slice, teams.threads, value); });
  }

  const L transform(x);
  const auto vectors_of = [&](int64_t columns) { return static_cast<int32_t>(columns / kPer16Bytes<T>); };
  const int32_t first_vector = vectors_of(first_team * teams.width), end_vector = first_vector + vectors_of(share.held);
  DPO4J_DYNAMIC_SHARED(Packed16<T>, held);
  for (int32_t place = 0; place < count; place++) {
    const int32_t target = listed[place].target, k = listed[place].k;
    const int64_t row = rows.row(k);
    const float d_logprob = x.d_logprob ? x.d_logprob[row] : 1.0f;
    const HeldRow<T> on_chip{logits_of(place), held, first_vector, end_vector};
    S* const row_sums = warp_sums[place % 2];
    accumulate<S>(on_chip, next, transform, teams, range, target, [&](int32_t team, const S& thread_sums) {
      const S sums = merge_lanes(thread_sums);
      if (threadIdx.x % kWarp == 0) row_sums[(team - first_team) * teams.warps() + thread_of_team() / kWarp] = sums;
    });
    cluster_sync();  // the row has been read, and the sums of its warps are written
    if constexpr (kLoadsAhead<Out, T>) next = load_first(place + 1);
    S sums = no_logits<S>();
    if (threadIdx.x < kWarp) {
      const int32_t block_warps = share.teams * teams.warps();
      sums = merge_warps<S>(teams, [&](int32_t i) { return *cluster_shared(row_sums + i % block_warps, i / block_warps); });
      if (threadIdx.x == 0) row_lse[0] = lse_of(sums);
    }
    __syncthreads();
    if (place + 1 == count) arrive_at_end();
    if (rank == 0 && static_cast<int32_t>(threadIdx.x) == k) {
      write_results(x, row, sums, transform_stored(transform, at_target, target));
    }
    const float lse = row_lse[0];
    Out* const d_row = static_cast<Out*>(x.d_logits) + listed[place].logits_row * x.d_logits_stride;
    each_slice([&](const Slice<T>& slice) { store_gradient(d_row, on_chip, transform, slice, teams.threads, target, lse, d_logprob); });
    if constexpr (!kLoadsAhead<Out, T>) next = load_first(place + 1);
  }
  if (count > 0) cluster_wait();
}

constexpr int64_t kBlocksPerSm = 4, kBesides = 6 << 10;  // kBesides: bytes of shared memory of a block besides its part of the row
static_assert((2 * kMaxWarps * sizeof(StatisticsSums)) + (kMaxRows * sizeof(ListedRow)) + 1024 < kBesides,
              "the sums of warps, the rows, and what the system reserves");

// Chooses the min cluster size at which four blocks fit in the shared memory of an SM, so that other blocks read and write while one waits
// for its cluster. If four do not fit even with the max cluster size, a block uses all the shared memory that a block may have.
Share share_of(const LaunchContext& context, const Teams& teams, int64_t element_bytes) {
  Share share{1, teams.count, 1, 0};
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

// How many teams of a block run side by side: as many as blocks of one team would run if shared memory allowed kBlocksPerSm blocks. So an SM
// has as many loads in flight with one large block as with several small ones.
int32_t beside_of(const LaunchContext& context, const Share& share, int64_t element_bytes, int32_t max) {
  const int64_t blocks = context.shared_bytes / (share.held * element_bytes + kBesides);
  int32_t beside = 1;
  while (2 * beside <= share.teams && 2 * beside <= max && 2 * beside * blocks <= kBlocksPerSm) beside *= 2;
  return beside;
}

template <class S, class Out, class T>
int launch_both(const LaunchContext& context, const dpo4j_token_logprob_forward_backward_params& x) {
  const Teams teams = teams_of(x.vocabulary, sizeof(T));
  return with_transform(x.transform, [&](auto transform) {
    using L = typename decltype(transform)::Type;
    Share share = share_of(context, teams, sizeof(T));
    share.beside = beside_of(context, share, sizeof(T), kBlocks<S, T, L>);
    const dim3 block(teams.threads * share.beside);
    const size_t shared_bytes = share.held * sizeof(T);
    const auto kernel = forward_backward<S, Out, T, L>;
    int resident = 0;
    const int error =
        has_short_rows(x.vocabulary, sizeof(T)) ? resident_clusters(&resident, context, share.blocks, kernel, block, shared_bytes) : 0;
    if (error != cudaSuccess) return error;
    const dim3 grid(groups_of_rows(x.rows, resident) * share.blocks);
    return launch_clusters(context, share.blocks, kernel, grid, block, shared_bytes, x, teams, share);
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

bool token_logprob_holds_row(const LaunchContext& context, int64_t vocabulary) {
  const Teams teams = teams_of(vocabulary, sizeof(float));
  const Share share = share_of(context, teams, sizeof(float));
  return share.held == share.teams * teams.width;
}

}  // namespace dpo4j::cuda
