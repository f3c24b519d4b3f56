// Forward: logprob = logits[target] - lse, lse = log sum_j exp(logits[j]).
//   The row is read once from memory: a block of it is searched for its maximum, then summed from the cache relative to the largest value
//   so far; one exp an element. Block sums are added in fp64. 4 bytes read an element.
// Backward: d_logits[j] = d_logprob ((j == target) - exp(logits[j] - lse)), one exp an element, in place if wanted: 8 bytes an element.
// The softmax itself is never stored.
#include <math.h>

#include "cpu.h"
#include "vector.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

constexpr int64_t kBlock = 4096;  // fp32 that stay in the first-level cache between the two looks at them

struct LogSum {
  double anchor = 0;  // the largest logit so far, where there is a finite one
  double sum = 0;     // of exp(logit - anchor)
  double value() const { return anchor + ::log(sum); }
};

LogSum log_sum_exp(const float* logits, int64_t count) {
  LogSum total;
  float largest = -kInfinity;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const float* block = logits + begin;
    const int64_t size = count - begin < kBlock ? count - begin : kBlock;
    const float here = maximum_over(size, [&](int64_t i, auto lanes) { return load(block + i, lanes, -kInfinity); });
    if (here > largest) {
      if (total.sum != 0) total.sum *= ::exp(total.anchor - static_cast<double>(here));
      largest = here;
      total.anchor = here;
    }
    const Floats anchor = all(static_cast<float>(total.anchor));
    total.sum += sum_over(size, [&](int64_t i, auto lanes) { return exp(load(block + i, lanes, -kInfinity) - anchor); });
  }
  return total;
}

template <class P>
int64_t logits_row(const P& p, int64_t row) {
  return p.row_index != nullptr ? p.row_index[row] : row;
}

template <class P>
void forward_row(const P& p, int64_t row) {
  const int32_t target = p.targets[row];
  float& logprob = p.logprob[row];
  float& lse = p.lse[row];
  if (target < 0) {
    logprob = lse = 0;
  } else if (target >= p.vocabulary) {
    logprob = lse = kNan;
  } else {
    const float* logits = static_cast<const float*>(p.logits) + logits_row(p, row) * p.logits_stride;
    const double log_sum = log_sum_exp(logits, p.vocabulary).value();
    lse = static_cast<float>(log_sum);
    logprob = static_cast<float>(logits[target] - log_sum);
  }
}

template <class P>
void backward_row(const P& p, int64_t row) {
  const int32_t target = p.targets[row];
  const float* logits = static_cast<const float*>(p.logits) + logits_row(p, row) * p.logits_stride;
  float* d_logits = static_cast<float*>(p.d_logits) + logits_row(p, row) * p.d_logits_stride;
  if (target < 0 || target >= p.vocabulary) {
    const Floats value = all(target < 0 ? 0 : kNan);
    each_vector(p.vocabulary, [&](int64_t i, auto lanes) { store(d_logits + i, value, lanes); });
    return;
  }
  const float d = p.d_logprob != nullptr ? p.d_logprob[row] : 1;
  const float at_target = logits[target];  // read before the row is overwritten
  const Floats lse = all(p.lse[row]);
  const Floats minus_d = all(-d);
  each_vector(p.vocabulary, [&](int64_t i, auto lanes) { store(d_logits + i, minus_d * exp(load(logits + i, lanes) - lse), lanes); });
  d_logits[target] = d * -::expm1f(at_target - p.lse[row]);
}

}  // namespace

void run(Threads& threads, const TokenLogprobForward& p) {
  parallel_ranges(threads, p.rows, rows_per_task(p.vocabulary), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) forward_row(p, row);
  });
}

void run(Threads& threads, const TokenLogprobBackward& p) {
  parallel_ranges(threads, p.rows, rows_per_task(p.vocabulary), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) backward_row(p, row);
  });
}

void run(Threads& threads, const TokenLogprobForwardBackward& p) {
  parallel_ranges(threads, p.rows, rows_per_task(p.vocabulary), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) forward_row(p, row), backward_row(p, row);
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
