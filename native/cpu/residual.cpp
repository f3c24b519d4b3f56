// out = a + b. 12 bytes per element.
#include "cpu.h"
#include "vector.h"

namespace dpo4j::cpu::DPO4J_ISA {

void run(Threads& threads, const dpo4j_residual_forward_params& p) {
  float* out = static_cast<float*>(p.out);
  const float* a = static_cast<const float*>(p.a);
  const float* b = static_cast<const float*>(p.b);
  parallel_ranges(threads, p.count, rows_per_task(1), [&](int64_t begin, int64_t end) {
    each_vector(end - begin,
                [&](int64_t i, auto lanes) { store(out + begin + i, load(a + begin + i, lanes) + load(b + begin + i, lanes), lanes); });
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
