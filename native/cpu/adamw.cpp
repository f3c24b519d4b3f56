// g = clip gradient; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; parameter = parameter (1 - lr decay) - lr c1 m / (sqrt(v c2) + epsilon).
// 28 bytes a parameter.
#include "cpu.h"
#include "vector.h"

namespace dpo4j::cpu::DPO4J_ISA {

void run(Threads& threads, const Adamw& p) {
  const float clip = p.clip == nullptr ? 1 : *p.clip;
  if (clip != clip) return;  // the gradient was not finite: no step
  const float rate = p.rates[0] * p.rates[1], v_scale = p.rates[2], keep = 1 - p.rates[0] * p.options.weight_decay;
  const float beta1 = p.options.beta1, beta2 = p.options.beta2, epsilon = p.options.epsilon;
  float* stored = static_cast<float*>(p.parameter);
  float *mean = static_cast<float*>(p.m), *square = static_cast<float*>(p.v);
  float* exact = p.master == nullptr ? stored : p.master;
  parallel_ranges(threads, p.count, rows_per_task(1), [&](int64_t begin, int64_t end) {
    each_vector(end - begin, [&](int64_t offset, auto lanes) {
      const int64_t i = begin + offset;
      const Floats g = load(p.gradient + i, lanes) * clip;
      const Floats m = fma(all(beta1), load(mean + i, lanes), g * (1 - beta1));
      const Floats v = fma(all(beta2), load(square + i, lanes), g * g * (1 - beta2));
      const Floats parameter = load(exact + i, lanes) * keep - m * rate / (root(v * v_scale) + epsilon);
      store(mean + i, m, lanes);
      store(square + i, v, lanes);
      store(exact + i, parameter, lanes);
      if (stored != exact) store(stored + i, parameter, lanes);
    });
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
