// attention, backward, bf16, head widths 64 and 128, Hopper only (sm_90a). p = exp(scale q k - lse) is recomputed:
//
//    delta = sum over d of d_out out        d_s = p (d_out v - delta)
//    d_q = scale d_s k                      d_k = scale d_s^T q                      d_v = p^T d_out
//
// With a soft cap, p is that of the scores s = cap tanh(scale q k / cap), and d_s is multiplied by the slope 1 - (s / cap)^2. Only head width
// 128 has a soft cap here.
//
// A pair of tiles takes five products (WGMMA, wgmma.cuh), and seven in attention_backward_mma.cu: here scores and d_p are computed once for
// all three gradients. A block owns 128 keys of one key head. It loops over the tiles of queries that see these keys, those of the keys'
// own segment and of its dependents, for all heads of the group. Two consumer warpgroups with 64 keys each accumulate d_k and d_v in
// registers. The accumulators of p^T and d_s^T, rounded to bf16, already are the A fragments of the next products. The consumers also
// exchange d_s through shared memory, and each computes half of d_q. The producer warpgroup loads tiles by TMA (tensor_copy.cuh), prepares
// the mask, lse and delta of each step, waits at the ordered semaphore and adds to d_q.
//
// d_q of a tile of queries is a sum over the blocks whose keys it sees. An ordered semaphore (ordered_semaphore.cuh) lets these blocks add
// one after another, in the order of keys, prefix first. The sum is fp32 in the workspace, in rows that later heads use again
// (attention_backward_ring.cuh). The consumers write their d_q to shared memory, and in the block's turn a bulk reduction (bulk_copy.cuh)
// adds it to the sum; the first block stores it. The block whose keys are on the diagonal adds last: its consumers load the sum, add to it
// and write d_q. So every sum has a fixed order, each element has one addition in each turn, and the bits of a sequence do not depend on
// its batch. All blocks loop over the queries from last to first, and blocks of lower keys, which have more queries, start first. So a block
// stays one tile of queries behind the block of the keys before it: if it waits at all, it waits at its start.
//
// Never materialised: scores, probabilities, their gradients, repeated key heads.
//
// Values that are not finite: 0 times such a value is NaN, which must not reach a row that does not see it. So rows of q and d_out that are
// not finite (lse or delta shows it), and elements of k that are not finite, are set to 0 in shared memory. The rows that see them get NaN
// explicitly.
//
// Bytes moved, for 128 keys and 64 queries of width 128: 32 KiB of q and d_out from L2, and 32 KiB of d_q, which L2 adds. Bound by
// arithmetic: 10 head_width FLOPs per visible pair of query and key. Predicted: PERFORMANCE.md. Share of the roofline: not yet measured on
// a GPU.
#include <algorithm>

#include "attention_backward_order.cuh"
#include "attention_backward_turns.cuh"

namespace dpo4j::cuda {
namespace {

using namespace attention_backward;

constexpr int kProducerRegisters = 24, kConsumerRegisters = 240;
static_assert(kProducerRegisters + kConsumers * kConsumerRegisters <= launched_registers(kThreads) * (1 + kConsumers),
              "the registers that the block is launched with");

// ---- first kernel: the order of tiles; lse and delta; counters at 0 ----------------------------------------------------------------------

template <int D>
__global__ void __launch_bounds__(kPrepareThreads) prepare(dpo4j_attention_backward_params x, Problem problem) {
  const uint32_t listing = listing_blocks(problem);
  if (blockIdx.x < listing) return list_tiles(problem);
  constexpr int kLanes = D / 8;  // of a row
  const int64_t rows = x.query_rows * x.shape.heads, row = (int64_t{blockIdx.x - listing} * kPrepareThreads + threadIdx.x) / kLanes;
  const int64_t own = row < rows ? row : rows - 1, query = own / x.shape.heads, head = own % x.shape.heads;
  const int64_t at = query * x.shape.out_stride + head * D + threadIdx.x % kLanes * 8;
  const Vec<8> d_out = load<8>(static_cast<const bf16*>(x.d_out) + at), out = load<8>(static_cast<const bf16*>(x.out) + at);
  float delta = 0;
#pragma unroll
  for (int i = 0; i < 8; i++) delta = fmaf(d_out[i], out[i], delta);
  delta = lane_sum<kLanes>(delta);
  if (row >= rows || threadIdx.x % kLanes != 0) return;
  const float lse = x.lse[own] * kLog2E;
  const bool finite = isfinite(lse) && isfinite(delta);
  problem.workspace.statistics[head * x.query_rows + query] = finite ? make_float2(lse, delta) : make_float2(NAN, NAN);
  problem.workspace.turns[head * x.query_rows + query] = 0;
}

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

// ---- producer warpgroup -----------------------------------------------------------------------------------------------------------------

// One thread loads k and v, then q and d_out of each step.
template <int D, bool LIMITED>
__device__ void copy_tiles(const Maps& maps, const Problem& problem, const KeyTile& keys, Shared<D>& shared, const Tiles<D>& tiles) {
  using T = Tiles<D>;
  barrier_arrive_expecting(&shared.keys_landed, 2 * T::Keys::kBytes);
  T::Keys::load(tiles.k(), maps.k, &shared.keys_landed, keys.row, keys.head * D);
  T::Keys::load(tiles.v(), maps.v, &shared.keys_landed, keys.row, keys.head * D);
  uint32_t step = 0;
  for (QueryTileIterator<kQueries<D>, LIMITED> it(problem, keys); it.is_valid(); it.advance(), step++) {
    const int stage = step % kStages;
    barrier_wait(&shared.empty[stage], phase(step) ^ 1);
    barrier_arrive_expecting(&shared.landed[stage], 2 * T::Queries::kBytes);
    T::Queries::load(tiles.q(stage), maps.q, &shared.landed[stage], it.row, it.query_head() * D);
    T::Queries::load(tiles.d_out(stage), maps.d_out, &shared.landed[stage], it.row, it.query_head() * D);
  }
}

// Sets rows of q and d_out that do not exist, or are not finite, to 0, so that 0 times them is 0.
template <int D>
__device__ __forceinline__ void clear_rows(const Tiles<D>& tiles, int stage, int first_row, unsigned rows, int lane) {
  using Queries = typename Tiles<D>::Queries;
  if (lane >= 2 * Queries::kParts * Queries::kRowChunks) return;
  unsigned char* const chunk =
      tiles.q(stage) + lane / Queries::kRowChunks * Queries::kPartBytes + first_row * kTileRowBytes + lane % Queries::kRowChunks * 16;
  for (; rows != 0; rows &= rows - 1) {
    *reinterpret_cast<uint4*>(chunk + (__ffs(static_cast<int>(rows)) - 1) * kTileRowBytes) = make_uint4(0, 0, 0, 0);
  }
}

// One warp writes the mask, lse and delta of each step. lse is infinite for a row that does not exist, so its weights are 0. lse and delta
// are NaN for a row that is not finite.
template <int D, bool LIMITED>
__device__ void describe_steps(const Problem& problem, const KeyTile& keys, Shared<D>& shared, const Tiles<D>& tiles, int lane) {
  uint32_t step = 0;
  for (QueryTileIterator<kQueries<D>, LIMITED> it(problem, keys); it.is_valid(); step++) {
    const int stage = step % kStages;
    barrier_wait(&shared.empty[stage], phase(step) ^ 1);
    if (lane == 0) {
      const bool is_diagonal = it.is_diagonal(), is_cut = LIMITED && it.end_seeing() < kQueries<D>;
      Step& step = shared.steps[stage];
      step.row = it.row;
      step.count = it.count;
      step.head = it.query_head();
      step.first_seeing = is_diagonal ? keys.first - it.first : kAllSee;
      step.is_diagonal = is_diagonal;
      if (is_diagonal) step.turn_parity = shared.diagonal_steps++ % 2;
      step.has_masked_pairs = is_diagonal || is_cut || it.count < kQueries<D>;
      step.is_last = false;
      if (LIMITED) {
        step.end_seeing = it.end_seeing();
        step.is_first = it.turn() == 0;
      }
    }
#pragma unroll 1
    for (int row = lane; row < kQueries<D>; row += kWarp) {
      const float2 row_statistics = row < it.count ? problem.workspace.statistics[it.row_index() + row] : make_float2(INFINITY, 0);
      shared.lse[stage][row] = row_statistics.x;
      shared.delta[stage][row] = row_statistics.y;
      const unsigned without = __ballot_sync(kAllLanes, !isfinite(row_statistics.x));
      if (without == 0) continue;
      barrier_wait(&shared.landed[stage], phase(step));
      clear_rows(tiles, stage, row - lane, without, lane);
      fence_async_proxy();
    }
    it.advance();
    if (lane == 0) shared.steps[stage].is_last = !it.is_valid();
    __syncwarp();
    if (lane == 0) barrier_arrive(&shared.ready[stage]);
  }
}

// ---- consumer warpgroups ----------------------------------------------------------------------------------------------------------------

// Called by all consumer threads: sets elements of k that are not finite, and keys that do not exist, to 0, so that d_s = 0 times them is
// 0. A query that sees a key that is not finite gets NaN from `poison`.
template <int D>
__device__ __forceinline__ void prepare_keys(const KeyTile& keys, Shared<D>& shared, const Tiles<D>& tiles) {
  using Keys = typename Tiles<D>::Keys;
  for (int item = threadIdx.x - kWarpgroup; item < Keys::kChunks; item += kConsumers * kWarpgroup) {
    const int row = item / Keys::kRowChunks % kKeys;
    uint4* const chunk = reinterpret_cast<uint4*>(tiles.k()) + item;
    if (row >= keys.count) {
      *chunk = make_uint4(0, 0, 0, 0);
    } else if (attention::hide_not_finite(chunk)) {
      atomicExch(reinterpret_cast<uint32_t*>(&shared.poison[row]), __float_as_uint(NAN));
    } else {
      continue;
    }
    atomicExch(&shared.has_masked_keys, 1u);
  }
  fence_async_proxy();
  __syncwarp();
  if (threadIdx.x % kWarp == 0) barrier_arrive(&shared.keys_ready);
  barrier_wait(&shared.keys_ready, 0);
}

template <int D, bool LIMITED>
struct Consumer {
  static constexpr int R = kQueries<D>;
  using T = Tiles<D>;
  using Scores = float[R / 2];          // transposed: 64 keys, R queries
  using Weights = uint32_t[R / 16][4];  // the same in bf16
  using Gradient = float[D / 2];        // 64 keys
  using QueryGradient = float[32];      // 64 queries, 64 columns

  // A copy would take registers; with a soft cap, reading it again in the midst of exponentials takes more.
  using StepOf = std::conditional_t<kHasSoftCap<D, LIMITED>, const Step, const Step&>;

  const Problem& problem;
  const KeyTile& keys;
  Shared<D>& shared;
  const Tiles<D>& tiles;
  const int group;  // which consumer
  const Fragment fragment;

  // s = rows columns^T. The rows are the 64 keys of this warpgroup.
  __device__ __forceinline__ void scores(Scores& s, const unsigned char* rows, const unsigned char* columns) const {
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < D / kProductDepth; step++) {
      wgmma(s, T::Keys::columns(rows + group * kProductRows * kTileRowBytes, step), T::Queries::columns(columns, step), step > 0);
    }
    wgmma_commit();
  }

  // gradient += weights times the queries of the tile (rows of q or d_out).
  __device__ __forceinline__ void accumulate(Gradient& gradient, Weights& weights, const unsigned char* queries, bool more) const {
    wgmma_operands(weights);
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < R / kProductDepth; step++) {
      wgmma<Major::kRows>(gradient, weights[step], T::Queries::rows(queries, step), more || step > 0);
    }
    wgmma_commit();
  }

  // This warpgroup's half of d_q = d_s k: 64 of 128 columns at head width 128, 64 of 128 queries at head width 64.
  static constexpr bool kHalfOfWidth = D == 128;
  __device__ __forceinline__ void multiply_keys(QueryGradient& d_q, const unsigned char* d_scores) const {
    const unsigned char* const a = d_scores + (kHalfOfWidth ? 0 : group * T::Scores::kPartBytes);
    const unsigned char* const b = tiles.k() + (kHalfOfWidth ? group * T::Keys::kPartBytes : 0);
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < kKeys / kProductDepth; step++) {
      wgmma<Major::kRows, Major::kRows>(d_q, T::Scores::rows(a, step), T::Keys::rows(b, step), step > 0);
    }
    wgmma_commit();
  }
  __device__ __forceinline__ int32_t query(int i) const { return (kHalfOfWidth ? 0 : group * 64) + fragment.row(i); }
  __device__ __forceinline__ int first_column() const { return kHalfOfWidth ? group * 64 : 0; }

  __device__ __forceinline__ static void pack(Weights& weights, const Scores& s) {
#pragma unroll
    for (int j = 0; j < R / 8; j++) {
#pragma unroll
      for (int i = 0; i < 2; i++) weights[j / 2][2 * (j % 2) + i] = pack_pair<bf16>(s[4 * j + 2 * i], s[4 * j + 2 * i + 1]);
    }
  }

  // Sets weights of masked pairs to 0 by selection, and weights of visible keys that are not finite to NaN.
  __device__ __forceinline__ void select_seen(Scores& s, const Step& step) const {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int row = group * kProductRows + fragment.row(i);
      const int32_t first = row < keys.count ? step.first_seeing + row : R;
      const int32_t end = LIMITED ? min(step.count, step.end_seeing + row) : step.count;
      const float poison = shared.poison[row];
#pragma unroll
      for (int j = 0; j < R / 8; j++) {
#pragma unroll
        for (int c = 0; c < 2; c++) {
          const int column = fragment.column(j) + c;
          float& element = s[4 * j + 2 * i + c];
          element = column >= first && column < end ? element + poison : 0.0f;
        }
      }
    }
  }

  __device__ __forceinline__ void to_probabilities(Scores& p, const Scores& s, const float* lse, float factor) const {
#pragma unroll
    for (int j = 0; j < R / 8; j++) {
      const float2 column_lse = *reinterpret_cast<const float2*>(lse + fragment.column(j));
#pragma unroll
      for (int i = 0; i < 2; i++) {
        p[4 * j + 2 * i] = exp2_flushed(fmaf(s[4 * j + 2 * i], factor, -column_lse.x));
        p[4 * j + 2 * i + 1] = exp2_flushed(fmaf(s[4 * j + 2 * i + 1], factor, -column_lse.y));
      }
    }
  }

  // The same with a soft cap, with select_seen() and pack(): `weights` are the probabilities, and p is the probabilities times the slopes.
  // All is done for two pairs at a time, because the registers do not hold s, d_p, probabilities and slopes of all pairs.
  __device__ __forceinline__ void to_capped(Scores& p, Weights& weights, const Scores& s, const float* lse, const Step& step,
                                            bool has_masked_pairs) const {
    const attention::SoftCap soft(problem.scale, problem.soft_cap);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int row = group * kProductRows + fragment.row(i);
      const int32_t first = !has_masked_pairs ? 0 : row < keys.count ? step.first_seeing + row : R;
      const int32_t end = has_masked_pairs ? min(step.count, step.end_seeing + row) : R;
      const float poison = shared.poison[row];
#pragma unroll
      for (int j = 0; j < R / 8; j++) {
        const float2 column_lse = *reinterpret_cast<const float2*>(lse + fragment.column(j));
        float e[2];
#pragma unroll
        for (int c = 0; c < 2; c++) {
          const int at = 4 * j + 2 * i + c, column = fragment.column(j) + c;
          const float t = tanh_flushed(s[at] * soft.over_cap);
          e[c] = exp2_flushed(fmaf(t, soft.cap, c ? -column_lse.y : -column_lse.x));
          e[c] = column >= first && column < end ? e[c] + poison : 0.0f;
          p[at] = e[c] * (1 - t * t);
        }
        weights[j / 2][2 * (j % 2) + i] = pack_pair<bf16>(e[0], e[1]);
      }
    }
  }

  // Turns p into d_s = p (d_p - delta).
  __device__ __forceinline__ void to_d_scores(Scores& p, const Scores& d_p, const float* delta) const {
#pragma unroll
    for (int j = 0; j < R / 8; j++) {
      const float2 column_delta = *reinterpret_cast<const float2*>(delta + fragment.column(j));
#pragma unroll
      for (int i = 0; i < 2; i++) {
        p[4 * j + 2 * i] *= d_p[4 * j + 2 * i] - column_delta.x;
        p[4 * j + 2 * i + 1] *= d_p[4 * j + 2 * i + 1] - column_delta.y;
      }
    }
  }

  // Stores d_s^T in the 128-byte swizzle (tensor_copy.cuh): a row is a key, which permutes its 16-byte chunks of eight queries. So the
  // eight keys that a warp stores together use all banks.
  __device__ __forceinline__ void write_d_scores(unsigned char* to, const Weights& weights) const {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      unsigned char* const row = to + (group * kProductRows + fragment.row(i)) * kTileRowBytes + 4 * fragment.member;
#pragma unroll
      for (int j = 0; j < R / 8; j++) {
        *reinterpret_cast<uint32_t*>(row + j / 8 * T::Scores::kPartBytes + (j % 8 ^ fragment.group) * 16) = weights[j / 2][2 * (j % 2) + i];
      }
    }
  }

  // Where the four columns of number jj of a thread are in the rows of d_q, in the workspace or in shared memory.
  __device__ __forceinline__ int64_t sums(int64_t first_row, const Fragment& of_thread, int i, int jj) const {
    return (first_row + (kHalfOfWidth ? 0 : group * 64) + of_thread.row(i)) * D + first_column() + of_thread.quad(jj);
  }
  __device__ __forceinline__ void add_sums(QueryGradient& d_q, const Step& step, uint32_t first_row) const {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const bool exists = (LIMITED ? !step.is_first : keys.turn > 0) && query(i) < step.count;
#pragma unroll
      for (int jj = 0; jj < 4; jj++) {
        const float4* const at = reinterpret_cast<const float4*>(problem.workspace.d_q + sums(first_row, fragment, i, jj));
        const float4 x = exists ? __ldcg(at) : make_float4(0, 0, 0, 0);
        d_q[8 * jj + 2 * i] += x.x;
        d_q[8 * jj + 2 * i + 1] += x.y;
        d_q[8 * jj + 4 + 2 * i] += x.z;
        d_q[8 * jj + 4 + 2 * i + 1] += x.w;
      }
    }
  }
  __device__ __forceinline__ void write_to_shared(const QueryGradient& d_q) const {
    const Fragment here(thread());
#pragma unroll
    for (int i = 0; i < 2; i++) {
#pragma unroll
      for (int jj = 0; jj < 4; jj++) {
        *reinterpret_cast<float4*>(tiles.d_q() + static_cast<int>(sums(0, here, i, jj))) =
            make_float4(d_q[8 * jj + 2 * i], d_q[8 * jj + 2 * i + 1], d_q[8 * jj + 4 + 2 * i], d_q[8 * jj + 4 + 2 * i + 1]);
      }
    }
  }

  // Stores this thread's columns of row i, scaled and rounded.
  template <int N>
  __device__ __forceinline__ void write_row(void* tensor, int64_t at, const float (&x)[N], int i, float scale) const {
    uint32_t* const row = reinterpret_cast<uint32_t*>(static_cast<bf16*>(tensor) + at) + fragment.member;
#pragma unroll
    for (int j = 0; j < N / 4; j++) row[4 * j] = pack_pair<bf16>(scale * x[4 * j + 2 * i], scale * x[4 * j + 2 * i + 1]);
  }
  __device__ __forceinline__ void write_queries(const QueryGradient& d_q, const Step& step) const {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      if (query(i) >= step.count) continue;
      write_row(problem.d_q, (step.row + query(i)) * problem.q_stride + step.head * D + first_column(), d_q, i, problem.scale);
    }
  }
  __device__ __forceinline__ void write_keys(const Gradient& d_k, const Gradient& d_v) const {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int row = group * kProductRows + fragment.row(i);
      if (row >= keys.count) continue;
      const int64_t at = int64_t{keys.row + row} * problem.kv_stride + keys.head * D;
      write_row(problem.d_k, at, d_k, i, problem.scale);
      write_row(problem.d_v, at, d_v, i, 1);
    }
  }

  // The thread's index. With a soft cap, registers do not suffice to keep what is computed from it during the loop.
  __device__ __forceinline__ static uint32_t thread() {
    return kHasSoftCap<D, LIMITED> ? static_cast<uint32_t>(computed_here(static_cast<int>(threadIdx.x))) : threadIdx.x;
  }

  // Arrives once per warp, after all lanes of the warp have come this far.
  __device__ __forceinline__ static void arrive(Barrier* barrier) {
    __syncwarp();
    if (thread() % kWarp == 0) barrier_arrive(barrier);
  }
  __device__ __forceinline__ void wait_for_queries(uint32_t step) const {
    barrier_wait(&shared.landed[step % kStages], phase(step));
    barrier_wait(&shared.ready[step % kStages], phase(step));
  }

  // Hands d_q of step t to the warps that add it. In a diagonal step, adds the sums of the other blocks and writes d_q.
  __device__ __forceinline__ void finish_queries(QueryGradient& d_q, const Step& step, uint32_t t) const {
    if (step.is_diagonal) {
      barrier_wait(&shared.turn, step.turn_parity);
      add_sums(d_q, step, shared.ring_row);
      write_queries(d_q, step);
      arrive(&shared.added);
    } else {
      barrier_wait(&shared.d_q_read, (t + 1) % 2);  // of the previous step
      write_to_shared(d_q);
      fence_async_proxy();
      arrive(&shared.d_q[t % kStages]);
    }
  }

  // Whether some query of the step sees some key of this warpgroup. If not, and it has accumulated before, it passes over the step: this
  // happens in the last step of the diagonal, which has half as many queries as the tile has keys. Its d_s is 0, and it still computes its
  // half of d_q. The kernels with limits have no registers for this.
  static constexpr bool kPassesOver = D == 128 && !LIMITED;
  __device__ __forceinline__ bool sees_some(const Step& step) const {
    const int first = group * kProductRows;
    return first < keys.count && step.first_seeing + first < step.count;
  }
  __device__ __forceinline__ void pass_over(const Step& step, uint32_t t) const {
    const int stage = t % kStages;
    Weights zeros;
#pragma unroll
    for (int j = 0; j < R / 16; j++) zeros[j][0] = zeros[j][1] = zeros[j][2] = zeros[j][3] = 0;
    write_d_scores(tiles.d_scores(stage), zeros);
    fence_async_proxy();
    arrive(&shared.d_scores[stage]);
    barrier_wait(&shared.d_scores[stage], phase(t));
    QueryGradient d_q;
    multiply_keys(d_q, tiles.d_scores(stage));
    wgmma_wait<0>();
    wgmma_results(d_q);
    finish_queries(d_q, step, t);
    arrive(&shared.empty[stage]);
  }

  __device__ __forceinline__ void run() const {
    barrier_wait(&shared.keys_landed, 0);
    prepare_keys(keys, shared, tiles);
    const bool has_masked_keys = shared.has_masked_keys != 0;
    const float factor = problem.scale * kLog2E;
    Gradient d_k, d_v;
    bool is_last = false;
    for (uint32_t t = 0; !is_last; t++) {
      const int stage = t % kStages;
      wait_for_queries(t);
      StepOf step = shared.steps[stage];
      const bool has_masked_pairs = step.has_masked_pairs || has_masked_keys;
      is_last = step.is_last;
      if (kPassesOver && t > 0 && !sees_some(step)) {
        pass_over(step, t);
        continue;
      }
      Scores s, d_p, p;
      scores(s, tiles.k(), tiles.q(stage));
      scores(d_p, tiles.v(), tiles.d_out(stage));
      wgmma_wait<1>();
      wgmma_results(s);
      Weights value_weights, key_weights;
      if (kHasSoftCap<D, LIMITED> && problem.soft_cap > 0) {
        to_capped(p, value_weights, s, shared.lse[stage], step, has_masked_pairs);
      } else {
        to_probabilities(p, s, shared.lse[stage], factor);
        if (has_masked_pairs) select_seen(p, step);
        pack(value_weights, p);
      }
      accumulate(d_v, value_weights, tiles.d_out(stage), t > 0);
      wgmma_wait<1>();
      wgmma_results(d_p);
      to_d_scores(p, d_p, shared.delta[stage]);
      if (has_masked_pairs) select_seen(p, step);
      pack(key_weights, p);
      write_d_scores(tiles.d_scores(stage), key_weights);
      fence_async_proxy();
      arrive(&shared.d_scores[stage]);
      QueryGradient d_q;
      barrier_wait(&shared.d_scores[stage], phase(t));
      multiply_keys(d_q, tiles.d_scores(stage));
      accumulate(d_k, key_weights, tiles.q(stage), t > 0);
      wgmma_wait<1>();
      wgmma_results(d_q);
      wgmma_operands(value_weights);
      finish_queries(d_q, step, t);
      wgmma_wait<0>();
      wgmma_operands(key_weights);
      arrive(&shared.empty[stage]);
    }
    wgmma_results(d_k);
    wgmma_results(d_v);
    write_keys(d_k, d_v);
  }
};

template <int D, bool LIMITED>
__device__ void keys_of_block(const Maps& maps, const Problem& problem) {
  DPO4J_SHARED(Shared<D>, all_shared, [1]);
  DPO4J_DYNAMIC_SHARED(unsigned char, dynamic);
  Shared<D>& shared = all_shared[0];
  const Tiles<D> tiles{dynamic + tile_padding(dynamic)};
  if (threadIdx.x < kKeys) shared.poison[threadIdx.x] = 0;
  if (threadIdx.x == 0) {
    shared.keys = KeyTile(problem, atomicAdd(&problem.workspace.work->tickets, 1u));
    shared.has_masked_keys = shared.diagonal_steps = 0;
    barrier_init(&shared.keys_landed, 1);
    barrier_init(&shared.keys_ready, kConsumerWarps);
    for (int stage = 0; stage < kStages; stage++) {
      barrier_init(&shared.landed[stage], 1);
      barrier_init(&shared.ready[stage], 1);
      barrier_init(&shared.empty[stage], kConsumerWarps);
      barrier_init(&shared.d_scores[stage], kConsumerWarps);
      barrier_init(&shared.d_q[stage], kConsumerWarps);
    }
    barrier_init(&shared.d_q_read, 1);
    barrier_init(&shared.turn, 1);
    barrier_init(&shared.added, kConsumerWarps);
    fence_barrier_init();
  }
  __syncthreads();
  const KeyTile& keys = shared.keys;
  if (keys.count == 0) return;

  if (threadIdx.x < kWarpgroup) {
    give_registers<kProducerRegisters>();
    const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
    if (warp == 0 && lane == 0) copy_tiles<D, LIMITED>(maps, problem, keys, shared, tiles);
    if (warp == 1) describe_steps<D, LIMITED>(problem, keys, shared, tiles, lane);
    if (warp >= 2) add_in_turns<D, LIMITED>(problem, keys, shared, tiles, warp - 2, lane);
  } else {
    take_registers<kConsumerRegisters>();
    // The compiler must know that the warpgroup index is uniform, so that descriptors stay in uniform registers. Otherwise 45 moves and as
    // many additions come between the products of a step: about 300 clocks.
    const Consumer<D, LIMITED> consumer{problem, keys, shared, tiles, uniform(threadIdx.x / kWarpgroup) - 1, Fragment(threadIdx.x)};
    consumer.run();
  }
}

#endif

// Other architectures compile an empty kernel; has_backward_sm90a() makes sure that it is never launched.
template <int D, bool LIMITED>
__global__ void __launch_bounds__(kThreads, 1) gradients(const __grid_constant__ Maps maps, const __grid_constant__ Problem problem) {
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  keys_of_block<D, LIMITED>(maps, problem);
#endif
}

int encode(const LaunchContext& context, Maps* maps, const dpo4j_attention_backward_params& x, uint32_t queries) {
  int error = encode_tile_map(context, &maps->q, x.q, x.query_rows, x.shape.heads * x.shape.head_width, x.shape.q_stride, queries);
  if (error == cudaSuccess)
    error = encode_tile_map(context, &maps->d_out, x.d_out, x.query_rows, x.shape.heads * x.shape.head_width, x.shape.out_stride, queries);
  if (error == cudaSuccess)
    error = encode_tile_map(context, &maps->k, x.k, x.query_rows, x.shape.kv_heads * x.shape.head_width, x.shape.kv_stride, kKeys);
  if (error == cudaSuccess)
    error = encode_tile_map(context, &maps->v, x.v, x.query_rows, x.shape.kv_heads * x.shape.head_width, x.shape.kv_stride, kKeys);
  return error;
}

template <int D, bool LIMITED>
int backward(const LaunchContext& context, const dpo4j_attention_backward_params& x) {
  const RingSize ring = ring_size(context, x.query_rows, x.shape);
  const Problem problem{Workspace(x.workspace, ring, x.query_rows, x.shape),
                        x.d_q,
                        x.d_k,
                        x.d_v,
                        x.segments,
                        x.query_rows,
                        x.shape.q_stride,
                        x.shape.kv_stride,
                        static_cast<int32_t>(x.segment_count),
                        static_cast<int32_t>(divide_up(x.max_queries, kKeys)),
                        static_cast<int32_t>(x.shape.kv_heads),
                        static_cast<int32_t>(x.shape.heads / x.shape.kv_heads),
                        ring.heads,
                        ring.at_once,
                        static_cast<uint32_t>(ring.rows),
                        x.shape.window > 0 ? std::min(x.shape.window, kNoWindow) : kNoWindow,
                        x.shape.scale,
                        x.shape.soft_cap};
  if (x.segment_count == 0 || x.max_queries == 0 || x.query_rows == 0) return cudaSuccess;
  Maps maps;
  int error = encode(context, &maps, x, kQueries<D>);
  if (error != cudaSuccess) return error;
  const int64_t prepare_blocks = listing_blocks(problem) + divide_up(x.query_rows * x.shape.heads * (D / 8), kPrepareThreads);
  error = launch(context, prepare<D>, dim3(prepare_blocks), dim3(kPrepareThreads), 0, x, problem);
  if (error != cudaSuccess) return error;
  // A block waits only for blocks with lower tickets, so any number of resident blocks works. Tests launch only a few at a time.
  const int64_t blocks = problem.max_tiles() * x.shape.kv_heads,
                at_once = context.resident_clusters > 0 ? context.resident_clusters : blocks;
  for (int64_t first = 0; first < blocks && error == cudaSuccess; first += at_once) {
    error =
        launch(context, gradients<D, LIMITED>, dim3(std::min(at_once, blocks - first)), dim3(kThreads), Tiles<D>::kBytes, maps, problem);
  }
  return error;
}

}  // namespace

bool attention::has_backward_sm90a(const LaunchContext& context, const dpo4j_attention_shape& shape) {
  if (shape.head_width == 64 && shape.soft_cap > 0 && !kHasSoftCap<64, true>) return false;
  return (shape.head_width == 64 || shape.head_width == 128) && has_kernel(context, kAttentionBackwardSm90a);
}

size_t attention::backward_sm90a_workspace_bytes(const LaunchContext& context, int64_t query_rows, const dpo4j_attention_shape& shape) {
  return Workspace::bytes(ring_size(context, query_rows, shape), query_rows, shape);
}

int attention::backward_sm90a(const LaunchContext& context, const dpo4j_attention_backward_params& x) {
  return with_limits(x.shape, [&](auto limited) {
    constexpr bool kLimited = decltype(limited)::value;
    return x.shape.head_width == 128 ? backward<128, kLimited>(context, x) : backward<64, kLimited>(context, x);
  });
}

}  // namespace dpo4j::cuda
