// norm = sqrt(sum g^2), clip = min(1, max_norm / (norm + 1e-6)). 4 bytes per element. Squares are fp64, so that none overflows or
// underflows. The gradient is cut into blocks of fixed size. Each block writes one partial sum to the workspace, and these are added in
// order.
#include <math.h>

#include "cpu.h"
#include "gradient_blocks.h"
#include "vector.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

typedef float HalfFloats __attribute__((vector_size(2 * kLanes)));
typedef double Doubles __attribute__((vector_size(4 * kLanes)));
constexpr int kHalf = kLanes / 2;

Doubles load_doubles(const float* at) {
  HalfFloats v;
  __builtin_memcpy(&v, at, sizeof v);
  return __builtin_convertvector(v, Doubles);
}

double sum_of_squares(const float* x, int64_t count) {
  Doubles sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kHalf <= count; i += 4 * kHalf) {
    for (int j = 0; j < 4; j++) {
      const Doubles v = load_doubles(x + i + j * kHalf);
      sums[j] += v * v;
    }
  }
  double sum = 0;
  for (; i < count; i++) sum += static_cast<double>(x[i]) * x[i];
  const Doubles total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  for (int lane = 0; lane < kHalf; lane++) sum += total[lane];
  return sum;
}

}  // namespace

void run(Threads& threads, const dpo4j_gradient_norm_params& p) {
  double* partials = static_cast<double*>(p.workspace);
  parallel_ranges(threads, p.count, kGradientBlock,
                  [&](int64_t begin, int64_t end) { partials[begin / kGradientBlock] = sum_of_squares(p.gradient + begin, end - begin); });
  double sum = 0;
  for (int64_t block = 0; block < gradient_blocks(p.count); block++) sum += partials[block];
  const float norm = static_cast<float>(::sqrt(sum));
  if (!(norm < kInfinity)) {
    p.norm[0] = p.norm[1] = kNan;
    return;
  }
  const double clip = p.max_norm / (norm + 1e-6);
  p.norm[0] = norm;
  p.norm[1] = p.max_norm == 0 || clip > 1 ? 1 : static_cast<float>(clip);
}

}  // namespace dpo4j::cpu::DPO4J_ISA
