// Forward: logprob = z[target] - lse, lse = log sum_j exp(z[j]), and statistics of the same softmax p. z is the row of logits. If there
//   is a transform, it writes z in fp32 into the cache, block by block.
//   The row is read once from memory, block by block. The first read of a block finds its maximum. The second, from the cache, sums
//   exp(z[j] - anchor), where the anchor is the running maximum: one exp per element, and one fma each for the sums of entropy and log
//   weight. The sums of blocks are added in fp64.
// Backward: d_logits[j] = d_logprob ((j == target) - exp(z[j] - lse)) dz/dx, one exp per element, also in place.
// Never materialised: the softmax.
//
// Error bounds for given z, with u = 2^-24 and t_j = z[j] - max z. s u bounds the relative error of a block's sum, which has kBlock / kPair
// positive terms per lane: s <= 133 with 16 lanes. e_j u with e_j = 2.23 |t_j| + 3 bounds the relative error of an exp: |t_j| comes from
// the rounding of the subtraction, the rest from exp2.
//   lse, logprob   (s + sum_j p_j e_j) u, and half an ulp of the result
//   entropy        (s (1 + sum_j p_j |t_j|) + sum_j p_j (1 + |t_j|) (e_j + 1)) u, and half an ulp
//   mean_logit     s u times the mean of |z|, and half an ulp
//   log_weight     (4 s + 5 + 4 sum_j p_j e_j + 2 sum_j q_j e_j) u, and half an ulp; q is the softmax of 2 z
//   d_logits       |d_logprob| p_j (2.23 |t_j| + 4.1) u with t_j = z[j] - lse as given, rounded to its type
// The error of z itself is at most 2 u |z|, or 9 u |z| with a cap; that of dz/dx is at most 16 u scale.
#include <math.h>

#include "cpu.h"
#include "formulas/logit_transform.h"
#include "logits.h"
#include "transform.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

constexpr int64_t kBlock = 4096;  // logits that stay in L1 between their two reads

// ---- a row, with or without a transform

// A row without a transform.
template <class T>
struct Plain {
  using Type = T;
  const T* logits;
  const T* block(int64_t begin, int64_t) const { return logits + begin; }
  float at(int64_t column) const { return widen(logits[column]); }
};

// A row with a transform. Only one block of z is stored at a time.
template <class T>
struct Transformed {
  using Type = float;
  const T* logits;
  const Transform& by;
  float* z;  // [kBlock]
  const float* block(int64_t begin, int64_t size) const {
    int64_t i = 0;
    for (; i + kLanes <= size; i += kLanes) store(z + i, by.apply(logits, begin + i).z);
    for (; i < size; i++) z[i] = at(begin + i);
    return z;
  }
  float at(int64_t column) const { return by.apply_one(logits[column], column).z[0]; }
};

// ---- forward

// Calls f(at) for each kPair of [0, count). The last one is a copy, padded with columns of -inf.
template <class T, class F>
DPO4J_INLINE void each_pair(const T* logits, int64_t count, const F& f) {
  int64_t i = 0;
  for (; i + kPair <= count; i += kPair) f(logits + i);
  if (i == count) return;
  T rest[kPair];
  for (T& each : rest) each = narrow<T>(-kInfinity);
  __builtin_memcpy(rest, logits + i, static_cast<size_t>(count - i) * sizeof(T));
  f(rest);
}

// NaN is ignored.
template <class T>
float maximum_of(const T* logits, int64_t count) {
  Floats first = all(-kInfinity), second = first;
  each_pair(logits, count, [&](const T* at) {
    const Pair x = load_pair<T>(at);
    first = maximum(x.first, first);
    second = maximum(x.second, second);
  });
  return maximum_of_lanes(maximum(first, second));
}

// Which sums are computed. kAllThatExist skips columns of -inf; kAll requires that there are none.
enum class Sums { kExps, kAll, kAllThatExist };

// The sums of a block, one per lane.
template <Sums kSums>
struct BlockSums {
  Floats exps{}, weighted{}, squares{}, logits{};
  Ints gaps{};  // minus the number of columns of -inf

  DPO4J_INLINE void add(Floats x, Floats anchor) {
    const Floats t = x - anchor;
    const Floats e = exp2(t * kLog2E);
    exps += e;
    if constexpr (kSums != Sums::kExps) squares = fma(e, e, squares);
    if constexpr (kSums == Sums::kAll) {
      weighted = fma(e, t, weighted);
      logits += x;
    }
    if constexpr (kSums == Sums::kAllThatExist) {
      const Ints gap = x == -kInfinity;
      weighted = fma(e, gap ? Floats{} : t, weighted);
      logits += gap ? Floats{} : x;
      gaps += gap;
    }
  }
};

// The state of forward for the part of a row that it has read. Sums are over columns, with t = logit - anchor.
struct RowSums {
  float maximum = -kInfinity;
  int64_t maximum_block = 0;  // start of the block that contains the first maximum
  double anchor = 0;          // the running maximum, if it is finite
  double exps = 0;            // of exp(t)
  double weighted = 0;        // of exp(t) t
  double squares = 0;         // of exp(t)^2
  double logits = 0;
  int64_t columns = 0;  // that are not -inf

  void move_anchor(float to) {
    if (exps != 0) {
      const double distance = anchor - static_cast<double>(to);
      const double factor = ::exp(distance);
      weighted = factor * (weighted + distance * exps);
      squares *= factor * factor;
      exps *= factor;
    }
    anchor = maximum = to;
  }
};

template <Sums kSums, class T>
void add_block(RowSums& row, const T* block, int64_t size) {
  const Floats anchor = all(static_cast<float>(row.anchor));
  BlockSums<kSums> first, second;
  each_pair(block, size, [&](const T* at) {
    prefetch_pair(at, kBlock * sizeof(T));
    const Pair x = load_pair<T>(at);
    first.add(x.first, anchor);
    second.add(x.second, anchor);
  });
  const float logits = sum_of_lanes(first.logits + second.logits);
  if constexpr (kSums == Sums::kAll) {
    if (logits - logits != 0) return add_block<Sums::kAllThatExist>(row, block, size);
  }
  row.exps += sum_of_lanes(first.exps + second.exps);
  if constexpr (kSums != Sums::kExps) {
    row.weighted += sum_of_lanes(first.weighted + second.weighted);
    row.squares += sum_of_lanes(first.squares + second.squares);
    row.logits += logits;
    row.columns += (size + kPair - 1) / kPair * kPair;
    for (int i = 0; i < kLanes; i++) row.columns += first.gaps[i] + second.gaps[i];
  }
}

template <Sums kSums, class Row>
RowSums sums_of(const Row& logits, int64_t count) {
  RowSums row;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t size = count - begin < kBlock ? count - begin : kBlock;
    const typename Row::Type* block = logits.block(begin, size);
    const float maximum = maximum_of(block, size);
    if (maximum > row.maximum) {
      row.move_anchor(maximum);
      row.maximum_block = begin;
    }
    add_block<kSums>(row, block, size);
  }
  return row;
}

template <class Row>
bool hit(const RowSums& row, const Row& logits, int64_t target) {
  const int64_t before = target - row.maximum_block;
  return logits.at(target) == row.maximum && before < kBlock && maximum_of(logits.block(row.maximum_block, before), before) < row.maximum;
}

template <class P>
int64_t logits_row(const P& p, int64_t row) {
  return p.row_index != nullptr ? p.row_index[row] : row;
}

template <class T, class P>
const T* logits_of(const P& p, int64_t row) {
  return static_cast<const T*>(p.logits) + logits_row(p, row) * p.logits_stride;
}

template <class P>
void fill_results(const P& p, int64_t row, float value) {
  p.logprob[row] = p.lse[row] = value;
  if (p.statistics == nullptr) return;
  for (int i = 0; i < DPO4J_TOKEN_STATISTICS; i++) p.statistics[row * DPO4J_TOKEN_STATISTICS + i] = value;
}

template <class Row, class P>
void write_results(const P& p, int64_t row, int64_t target, const Row& logits) {
  const RowSums sums = p.statistics != nullptr ? sums_of<Sums::kAll>(logits, p.vocabulary) : sums_of<Sums::kExps>(logits, p.vocabulary);
  const double log_sum = ::log(sums.exps);
  const double lse = sums.anchor + log_sum;
  const double logprob = logits.at(target) - lse;
  p.lse[row] = static_cast<float>(lse);
  p.logprob[row] = static_cast<float>(logprob);
  if (p.statistics == nullptr) return;
  float* statistics = p.statistics + row * DPO4J_TOKEN_STATISTICS;
  statistics[DPO4J_TOKEN_ENTROPY] = static_cast<float>(log_sum - sums.weighted / sums.exps);
  statistics[DPO4J_TOKEN_HIT] = hit(sums, logits, target) ? 1 : 0;
  statistics[DPO4J_TOKEN_MEAN_LOGIT] = static_cast<float>(sums.logits / static_cast<double>(sums.columns));
  statistics[DPO4J_TOKEN_LOG_WEIGHT] = static_cast<float>(logprob - (::log(sums.squares) - 2 * log_sum));
}

template <class T, class P>
void forward_row(const P& p, int64_t row) {
  const int64_t target = p.targets[row];
  if (target < 0 || target >= p.vocabulary) return fill_results(p, row, target < 0 ? 0 : kNan);
  const T* logits = logits_of<T>(p, row);
  if (is_identity(p.transform)) return write_results(p, row, target, Plain<T>{logits});
  float z[kBlock];
  write_results(p, row, target, Transformed<T>{logits, Transform(p.transform), z});
}

// ---- backward

// Prefetch distance in bytes, for rows that are not in L2.
constexpr size_t kAhead = 8192;

// Splits -d into a power of two and a remainder: -d exp(x - lse) = scale 2^((x - lse) log2(e) + offset). `scale` is a power of two with the
// sign of -d, and `offset` is in [0, 1]. exp2 rounds the significand of the gradient; multiplying by `scale` is then exact. If d is 0 or
// not finite, `scale` is -d and `offset` is 0.
struct Scale {
  float scale, offset;
  explicit Scale(float d) {
    const bool scalable = d != 0 && d - d == 0;
    scale = scalable ? ::ldexpf(d < 0 ? 1 : -1, ::ilogbf(d)) : -d;
    offset = scalable ? static_cast<float>(::log2(d / -static_cast<double>(scale))) : 0;
  }
};

template <class In, class Out>
DPO4J_INLINE void gradient_of_pair(Out* d_logits, const In* logits, Floats lse, Floats scale, Floats offset) {
  const auto gradient = [&](Floats x) { return scale * exp2<kSignificand<Out>>(fma(x - lse, all(kLog2E), offset)); };
  prefetch_pair(logits, kAhead);
  const Pair x = load_pair<Out>(logits);
  store_pair<In>(d_logits, Pair{gradient(x.first), gradient(x.second)});
}

template <class In, class Out>
void gradient_of_row(Out* d_logits, const In* logits, int64_t count, float lse_of_row, float d) {
  const Scale split(d);
  const Floats lse = all(lse_of_row), scale = all(split.scale), offset = all(split.offset);
  int64_t i = 0;
  for (; i + kPair <= count; i += kPair) gradient_of_pair(d_logits + i, logits + i, lse, scale, offset);
  if (i == count) return;
  In in[kPair] = {};
  Out out[kPair];
  __builtin_memcpy(in, logits + i, static_cast<size_t>(count - i) * sizeof(In));
  gradient_of_pair(out, in, lse, scale, offset);
  __builtin_memcpy(d_logits + i, out, static_cast<size_t>(count - i) * sizeof(Out));
}

template <class In, class Out>
void gradient_of_row(Out* d_logits, const In* logits, const Transform& by, int64_t count, float lse, float d) {
  const auto gradient = [&](const TransformedLogit& transformed) { return -d * exp2((transformed.z - lse) * kLog2E) * transformed.slope; };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(d_logits + i, rounded<Out>(gradient(by.apply(logits, i))));
  for (; i < count; i++) d_logits[i] = narrow<Out>(gradient(by.apply_one(logits[i], i))[0]);
}

template <class In, class Out, class P>
void backward_row(const P& p, int64_t row) {
  const int64_t target = p.targets[row];
  const In* logits = logits_of<In>(p, row);
  Out* d_logits = static_cast<Out*>(p.d_logits) + logits_row(p, row) * p.d_logits_stride;
  if (target < 0 || target >= p.vocabulary) {
    const Out value = narrow<Out>(target < 0 ? 0 : kNan);
    for (int64_t i = 0; i < p.vocabulary; i++) d_logits[i] = value;
    return;
  }
  const float d = p.d_logprob != nullptr ? p.d_logprob[row] : 1;
  const In at_target = logits[target];  // read before the row is overwritten
  if (is_identity(p.transform)) {
    gradient_of_row(d_logits, logits, p.vocabulary, p.lse[row], d);
    d_logits[target] = narrow<Out>(d * -::expm1f(widen(at_target) - p.lse[row]));
  } else {
    const Transform by(p.transform);
    gradient_of_row(d_logits, logits, by, p.vocabulary, p.lse[row], d);
    const TransformedLogit transformed = by.apply_one(at_target, target);
    d_logits[target] = narrow<Out>(d * -::expm1f(transformed.z[0] - p.lse[row]) * transformed.slope[0]);
  }
}

// ---- types and rows

// Calls f with a value of the type that dtype names.
template <class F>
void with_type(int32_t dtype, const F& f) {
  switch (dtype) {
    case DPO4J_BF16:
      return f(Bf16{});
    case DPO4J_F16:
      return f(F16{});
    default:
      return f(float{});
  }
}

// Calls f(row, a value of the type of the logits).
template <class P, class F>
void each_row(Threads& threads, const P& p, const F& f) {
  with_type(p.dtype, [&](auto in) {
    parallel_ranges(threads, p.rows, rows_per_task(p.vocabulary), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) f(row, in);
    });
  });
}

}  // namespace

void run(Threads& threads, const dpo4j_token_logprob_forward_params& p) {
  each_row(threads, p, [&](int64_t row, auto in) { forward_row<decltype(in)>(p, row); });
}

void run(Threads& threads, const dpo4j_token_logprob_backward_params& p) {
  with_type(p.d_logits_dtype,
            [&](auto out) { each_row(threads, p, [&](int64_t row, auto in) { backward_row<decltype(in), decltype(out)>(p, row); }); });
}

void run(Threads& threads, const dpo4j_token_logprob_forward_backward_params& p) {
  with_type(p.d_logits_dtype, [&](auto out) {
    each_row(threads, p, [&](int64_t row, auto in) {
      forward_row<decltype(in)>(p, row);
      backward_row<decltype(in), decltype(out)>(p, row);
    });
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
