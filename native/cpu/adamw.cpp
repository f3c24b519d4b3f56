// g = clip gradient; m = (m - s1 m) + s1 g; v = (v - s2 v) + s2 g^2; parameter -= lr decay parameter + lr c1 m / (sqrt(v c2) + epsilon),
// with s1 = 1 - b1 and s2 = 1 - b2 rounded to fp32. The formula subtracts s2 v and does not multiply by b2: b2 is close to 1, and rounded
// to the 24 bits of fp32 it would keep 1.3e-8 too much of v per step. For the same reason it does not multiply the parameter by 1 - lr
// decay, which would lose the digits of lr decay. 28 bytes per parameter.
#include "cpu.h"
#include "vector.h"

namespace dpo4j::cpu::DPO4J_ISA {

void run(Threads& threads, const Adamw& p) {
  const float clip = p.clip == nullptr ? 1 : *p.clip;
  if (clip != clip) return;  // the gradient was not finite: no step
  const float rate = p.rates[0] * p.rates[1], v_scale = p.rates[2], decay = p.rates[0] * p.weight_decay;
  const float share1 = p.share1, share2 = p.share2, epsilon = p.epsilon;
  float* stored = static_cast<float*>(p.parameter);
  float *mean = static_cast<float*>(p.m), *square = static_cast<float*>(p.v);
  float* exact = p.master == nullptr ? stored : p.master;
  parallel_ranges(threads, p.count, rows_per_task(1), [&](int64_t begin, int64_t end) {
    each_vector(end - begin, [&](int64_t offset, auto lanes) {
      const int64_t i = begin + offset;
      const Floats g = load(p.gradient + i, lanes) * clip;
      const Floats old_m = load(mean + i, lanes), old_v = load(square + i, lanes), old = load(exact + i, lanes);
      const Floats m = fma(all(share1), g, fma(all(-share1), old_m, old_m));
      const Floats v = fma(all(share2), g * g, fma(all(-share2), old_v, old_v));
      const Floats parameter = old - fma(all(decay), old, m * rate / (root(v * v_scale) + epsilon));
      store(mean + i, m, lanes);
      store(square + i, v, lanes);
      store(exact + i, parameter, lanes);
      if (stored != exact) store(stored + i, parameter, lanes);
    });
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
