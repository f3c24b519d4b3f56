// sums[s,:] = sum of factor_i values[i,:] over [offsets[s], offsets[s+1]), in fp64, from first to last; backward writes factor_i
// d_sums[s,:] to each token of the range.
#include "formulas/sequence_sum.h"

#include "cpu.h"

namespace dpo4j::cpu {
namespace {

constexpr int64_t kSequencesPerTask = 16;

double sum_of_column(const dpo4j_sequence_sum_forward_params& p, int64_t begin, int64_t end, int64_t column) {
  double sum = 0;
  for (int64_t i = begin; i < end; i++) sum += p.values[i * p.sequences.width + column];
  return sum;
}

void forward_sequence(const dpo4j_sequence_sum_forward_params& p, int64_t sequence) {
  const SequenceRange range = sequence_range(p.sequences, sequence);
  for (int64_t column = 0; column < p.sequences.width; column++) {
    double sum = range.factor * sum_of_column(p, range.begin, range.tail, column);
    // A factor of 0 excludes the tail, even values that are not finite.
    if (range.tail_factor != 0) sum += range.tail_factor * sum_of_column(p, range.tail, range.end, column);
    p.sums[sequence * p.sequences.width + column] = static_cast<float>(sum);
  }
}

void backward_sequence(const dpo4j_sequence_sum_backward_params& p, int64_t sequence) {
  const SequenceRange range = sequence_range(p.sequences, sequence);
  for (int64_t i = range.begin; i < range.end; i++) {
    const double factor = i < range.tail ? range.factor : range.tail_factor;
    for (int64_t column = 0; column < p.sequences.width; column++) {
      p.d_values[i * p.sequences.width + column] = static_cast<float>(factor * p.d_sums[sequence * p.sequences.width + column]);
    }
  }
}

}  // namespace

void run(Cpu& cpu, const dpo4j_sequence_sum_forward_params& p) {
  parallel_ranges(cpu.threads, p.sequences.sequences, kSequencesPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; s++) forward_sequence(p, s);
  });
}

void run(Cpu& cpu, const dpo4j_sequence_sum_backward_params& p) {
  parallel_ranges(cpu.threads, p.sequences.sequences, kSequencesPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; s++) backward_sequence(p, s);
  });
}

}  // namespace dpo4j::cpu
