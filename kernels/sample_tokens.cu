// sample_tokens: the next token of a row of logits: argmax, or a draw after temperature, top_k, top_p and min_p.
//
// A block owns a row and reads it several times, from L2 after the first: for the max; for each of the eight digits of a threshold, if there
// is a top_k or top_p; for the sum of masses and the draw. The scores are computed again in registers each time. Masses are integers
// (formulas/sampling.h), so sums have the same bits in any order.
//
// Never materialised: scores, probabilities, and sorted ids. No atomics: each thread counts in its own column of the bins.
//
// Bytes moved: 4 rows vocabulary for each read. Share of the roofline: not yet measured on a GPU.
#include "formulas/sampling.h"
#include "token_logprob.cuh"

namespace dpo4j::cuda {
namespace {

using token_logprob::with_transform;

typedef dpo4j_sample_tokens_params Params;

constexpr int kThreads = 512, kWarps = kThreads / kWarp;
constexpr int kDigit = 4, kBins = 1 << kDigit;
constexpr int kColumns = 4;  // that a thread reads together
static_assert(kBins == kWarps, "a warp adds the counts of a bin");

// The scores of a row, after transform, repetition penalty, suppression and temperature.
template <class L>
struct Scores {
  const float* logits;
  const uint32_t *seen, *suppressed;
  int64_t vocabulary;
  float penalty, temperature;
  L transform;

  __device__ Scores(const Params& x, int64_t row)
      : logits(x.logits + (x.logits_rows ? x.logits_rows[row] : row) * x.logits_stride),
        seen(x.repetition_penalty == 1 ? nullptr : x.seen + (x.seen_rows ? x.seen_rows[row] : row) * x.seen_stride),
        suppressed(static_cast<int64_t>(x.draws[4 * row + 3]) < x.min_new_tokens ? x.suppressed : nullptr),
        vocabulary(x.vocabulary),
        penalty(x.repetition_penalty),
        temperature(x.temperature == 0 ? 1.0f : x.temperature),
        transform(x) {}

  // Bits of the columns from `column` on, which are in one word.
  static __device__ __forceinline__ uint32_t bits_of(const uint32_t* bitmap, int64_t column) {
    return bitmap ? bitmap[column / 32] >> (column % 32) : 0;
  }

  // Scores of N columns before suppression. Adding 0 turns -0 into 0, so that equal scores have equal bits.
  template <int N>
  __device__ __forceinline__ Vec<N> unsuppressed(int64_t column) const {
    Vec<N> z = transform(load<N>(logits + column), column);
    const uint32_t penalised = bits_of(seen, column);
#pragma unroll
    for (int k = 0; k < N; k++) {
      if (penalised >> k & 1) z[k] = z[k] < 0 ? __fmul_rn(z[k], penalty) : __fdiv_rn(z[k], penalty);
      if (temperature != 1) z[k] = __fdiv_rn(z[k], temperature);
      z[k] = __fadd_rn(z[k], 0.0f);
    }
    return z;
  }

  template <int N>
  __device__ __forceinline__ Vec<N> suppress(Vec<N> z, int64_t column) const {
    const uint32_t gone = bits_of(suppressed, column);
#pragma unroll
    for (int k = 0; k < N; k++) {
      if (gone >> k & 1) z[k] = -INFINITY;
    }
    return z;
  }

  template <int N>
  __device__ __forceinline__ Vec<N> operator()(int64_t column) const {
    return suppress(unsuppressed<N>(column), column);
  }
};

// Calls step(Count<N>, column) for the columns of this thread. Accesses of a block are coalesced.
template <class Step>
__device__ __forceinline__ void each_of_block(int64_t vocabulary, Step step) {
  for_columns<kColumns>(vocabulary, vocabulary / kColumns * kColumns, threadIdx.x, kThreads, step);
}

template <class L, class F>
__device__ __forceinline__ void each_score(const Scores<L>& scores, F f) {
  each_of_block(scores.vocabulary, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    const Vec<N> z = scores.template operator()<N>(column);
#pragma unroll
    for (int k = 0; k < N; k++) f(z[k], column + k);
  });
}

__device__ __forceinline__ uint32_t order_of(float score) { return sampling::ordered(__float_as_uint(score)); }
__device__ __forceinline__ float score_of(uint32_t order) { return __uint_as_float(sampling::bits_of_ordered(order)); }

// Every thread of the block gets the max.
__device__ __forceinline__ uint64_t block_max(uint64_t x) {
  DPO4J_SHARED(uint64_t, warp_max, [kWarps]);
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const uint64_t other = __shfl_xor_sync(kAllLanes, x, distance);
    x = x > other ? x : other;
  }
  if (threadIdx.x % kWarp == 0) warp_max[threadIdx.x / kWarp] = x;
  __syncthreads();
  for (int warp = 0; warp < kWarps; warp++) x = x > warp_max[warp] ? x : warp_max[warp];
  __syncthreads();  // warp_max may be written again
  return x;
}

// The max score, and the first id that has it. If a score is not finite, or all ids are suppressed, `id` is -1 - the first such id.
struct Maximum {
  float score;
  int32_t id;
};

template <class L>
__device__ Maximum maximum_of(const Scores<L>& scores) {
  constexpr uint32_t kRefused = 0xffffffffu;  // above the order of every number
  uint64_t best = 0;                          // order of the score, then the complement of the id
  each_of_block(scores.vocabulary, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    const Vec<N> z = scores.template unsuppressed<N>(column), left = scores.template suppress<N>(z, column);
#pragma unroll
    for (int k = 0; k < N; k++) {
      const uint64_t order = isfinite(z[k]) ? order_of(left[k]) : kRefused;
      const uint64_t both = order << 32 | ~static_cast<uint32_t>(column + k);
      best = best > both ? best : both;
    }
  });
  best = block_max(best);
  const uint32_t order = static_cast<uint32_t>(best >> 32);
  const int32_t id = static_cast<int32_t>(~static_cast<uint32_t>(best));
  if (order == kRefused || order == order_of(-INFINITY)) return {0, -1 - id};
  return {score_of(order), id};
}

// The max score t such that the amounts of scores of at least t are `needed` together, and the sum of those above t.
struct Threshold {
  float score;
  uint64_t above;
};

// Radix selection, from the highest digit. `needed` is above 0 and at most the sum of all amounts. `bins` is shared, [kBins][kThreads].
template <class L, class Amount>
__device__ Threshold threshold(const Scores<L>& scores, uint64_t* bins, uint64_t needed, Amount amount) {
  DPO4J_SHARED(uint64_t, totals, [kBins]);
  uint32_t prefix = 0;
  uint64_t above = 0;
#pragma unroll 1
  for (int shift = 32 - kDigit; shift >= 0; shift -= kDigit) {
    for (int bin = 0; bin < kBins; bin++) bins[bin * kThreads + threadIdx.x] = 0;
    each_score(scores, [&](float z, int64_t) {
      const uint64_t order = order_of(z);
      if (order >> (shift + kDigit) == prefix) bins[(order >> shift & (kBins - 1)) * kThreads + threadIdx.x] += amount(z);
    });
    __syncthreads();
    const uint64_t* counts = bins + threadIdx.x / kWarp * kThreads;
    uint64_t total = 0;
    for (int i = threadIdx.x % kWarp; i < kThreads; i += kWarp) total += counts[i];
    total = warp_sum(total);
    if (threadIdx.x % kWarp == 0) totals[threadIdx.x / kWarp] = total;
    __syncthreads();
    int digit = kBins - 1;
    while (digit > 0 && above + totals[digit] < needed) above += totals[digit--];
    prefix = prefix << kDigit | digit;
  }
  return {score_of(prefix), above};
}

// The sum of a number of this lane and of all lower ones.
__device__ __forceinline__ uint64_t sum_up_to_lane(uint64_t x) {
#pragma unroll
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const uint64_t lower = __shfl_up_sync(kAllLanes, x, distance);
    if (static_cast<int>(threadIdx.x % kWarp) >= distance) x += lower;
  }
  return x;
}

// The first id where the sum of amounts, in order of ids, exceeds wanted(sum of all), which is below the sum of all.
template <class L, class Amount, class Wanted>
__device__ int32_t first_beyond(const Scores<L>& scores, Amount amount, Wanted wanted) {
  DPO4J_SHARED(uint64_t, warp_sums, [kWarps]);
  DPO4J_SHARED(uint64_t, left, [1]);
  DPO4J_SHARED(int32_t, found, [2]);  // the thread whose columns contain the id; the id
  // A thread adds consecutive columns. It reads whole cache lines, one vector after another.
  const int64_t width = (scores.vocabulary + kThreads * kColumns - 1) / (kThreads * kColumns) * kColumns;
  const auto begin_of = [&](int64_t thread) { return min(thread * width, scores.vocabulary); };
  const int64_t begin = begin_of(threadIdx.x), end = begin_of(threadIdx.x + 1);
  uint64_t sum = 0;
  for_columns<kColumns>(end - begin, (end - begin) / kColumns * kColumns, 0, 1, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    const Vec<N> z = scores.template operator()<N>(begin + column);
#pragma unroll
    for (int k = 0; k < N; k++) sum += amount(z[k], begin + column + k);
  });
  const uint64_t up_to_lane = sum_up_to_lane(sum);
  if (threadIdx.x % kWarp == kWarp - 1) warp_sums[threadIdx.x / kWarp] = up_to_lane;
  __syncthreads();
  uint64_t before = up_to_lane - sum, total = 0;
  for (int warp = 0; warp < kWarps; warp++) {
    if (warp < static_cast<int>(threadIdx.x / kWarp)) before += warp_sums[warp];
    total += warp_sums[warp];
  }
  const uint64_t target = wanted(total);
  if (target >= before && target - before < sum) {
    found[0] = static_cast<int32_t>(threadIdx.x);
    left[0] = target - before;
  }
  __syncthreads();
  if (threadIdx.x < kWarp) {
    const int64_t last = begin_of(found[0] + 1);
    uint64_t missing = left[0];
    for (int64_t column = begin_of(found[0]); column < last; column += kWarp) {
      const int64_t id = column + threadIdx.x;
      const uint64_t sums = sum_up_to_lane(id < last ? amount(scores.template operator()<1>(id)[0], id) : 0);
      const unsigned beyond = __ballot_sync(kAllLanes, missing < sums);
      if (beyond != 0) {
        if (threadIdx.x == 0) found[1] = static_cast<int32_t>(column + __ffs(static_cast<int>(beyond)) - 1);
        break;
      }
      missing -= __shfl_sync(kAllLanes, sums, kWarp - 1);
    }
  }
  __syncthreads();
  return found[1];
}

template <class L>
__device__ int32_t draw(const Params& x, int64_t row, const Scores<L>& scores, float max_score) {
  DPO4J_DYNAMIC_SHARED(uint64_t, bins);
  const float max_mass = sampling::max_mass(x.vocabulary);
  const auto mass = [&](float z) { return sampling::mass(expf(z - max_score), max_mass); };
  float min_score = -INFINITY;
  int64_t last = x.vocabulary;  // of the ids whose score is min_score, those after it are removed
  if (x.top_k > 0 && x.top_k < x.vocabulary) {
    min_score = threshold(scores, bins, static_cast<uint64_t>(x.top_k), [](float) { return uint64_t{1}; }).score;
  }
  if (x.top_p < 1) {
    uint64_t total = 0;
    each_score(scores, [&](float z, int64_t) { total += z >= min_score ? mass(z) : 0; });
    const uint64_t needed = sampling::mass_to_keep(block_sum<kThreads>(total), x.top_p);
    const Threshold found = threshold(scores, bins, needed, mass);
    const uint64_t kept = sampling::equals_to_keep(needed - found.above, mass(found.score));
    min_score = found.score;
    last =
        first_beyond(scores, [&](float z, int64_t) { return static_cast<uint64_t>(z == min_score); }, [&](uint64_t) { return kept - 1; });
  }
  const auto kept_mass = [&](float z, int64_t id) {
    const bool kept = z > min_score || (z == min_score && id <= last);
    const float exponential = expf(z - max_score);
    return kept && exponential >= x.min_p ? sampling::mass(exponential, max_mass) : 0;
  };
  return first_beyond(scores, kept_mass, [&](uint64_t total) { return sampling::drawn_mass(x.draws + 4 * row, total); });
}

template <bool kGreedy, class L>
__global__ void __launch_bounds__(kThreads, 2) sample(Params x) {
  const int64_t row = blockIdx.x;
  const Scores<L> scores(x, row);
  const Maximum maximum = maximum_of(scores);
  int32_t token = maximum.id;
  if constexpr (!kGreedy) {
    if (token >= 0) token = draw(x, row, scores, maximum.score);
  }
  if (threadIdx.x != 0) return;
  x.tokens[row] = token;
  if (x.seen == nullptr || token < 0) return;
  x.seen[(x.seen_rows ? x.seen_rows[row] : row) * x.seen_stride + token / 32] |= 1u << (token % 32);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_sample_tokens_params& x) {
  return with_transform(x.transform, [&](auto transform) {
    using L = typename decltype(transform)::Type;
    if (x.temperature == 0) return launch(context, sample<true, L>, dim3(x.rows), dim3(kThreads), 0, x);
    return launch(context, sample<false, L>, dim3(x.rows), dim3(kThreads), kBins * kThreads * sizeof(uint64_t), x);
  });
}

}  // namespace dpo4j::cuda
