// sums[s] = sum of values over [offsets[s], offsets[s+1]), in fp64, from first to last; backward spreads d_sums[s] over the range.
#include "cpu.h"

namespace dpo4j::cpu {
namespace {

constexpr int64_t kSequencesPerTask = 16;

}  // namespace

void run(Cpu& cpu, const SequenceSumForward& p) {
  parallel_ranges(cpu.threads, p.sequences, kSequencesPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; s++) {
      double sum = 0;
      for (int32_t i = p.offsets[s]; i < p.offsets[s + 1]; i++) sum += p.values[i];
      p.sums[s] = static_cast<float>(sum);
    }
  });
}

void run(Cpu& cpu, const SequenceSumBackward& p) {
  parallel_ranges(cpu.threads, p.sequences, kSequencesPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; s++) {
      for (int32_t i = p.offsets[s]; i < p.offsets[s + 1]; i++) p.d_values[i] = p.d_sums[s];
    }
  });
}

}  // namespace dpo4j::cpu
