// g = clip gradient; m = (m - s1 m) + s1 g; v = (v - s2 v) + s2 g^2; parameter -= lr decay parameter + lr c1 m / (sqrt(v c2) + epsilon),
// with s1 = 1 - b1 and s2 = 1 - b2 rounded to fp32. The formula subtracts s2 v and does not multiply by b2: b2 is close to 1, and rounded
// to the 24 bits of fp32 it would keep 1.3e-8 too much of v per step. For the same reason it does not multiply the parameter by 1 - lr
// decay, which would lose the digits of lr decay. 28 bytes per parameter; 30 for bf16 with master weights, 24 without, 16 with moments of
// bf16 too.
#include "weight_update.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

template <class T, class Moment, bool kStochastic>
void step(Threads& threads, const Adamw& p) {
  const float clip = p.clip == nullptr ? 1 : *p.clip;
  if (clip != clip) return;  // the gradient was not finite: no step
  const float rate = p.rates[0] * p.rates[1], v_scale = p.rates[2], decay = p.rates[0] * p.weight_decay;
  const float share1 = p.share1, share2 = p.share2, epsilon = p.epsilon;
  T* stored = static_cast<T*>(p.parameter);
  Moment *mean = static_cast<Moment*>(p.m), *square = static_cast<Moment*>(p.v);
  const auto rounded = [&](Floats x, Rounded what, int64_t i) { return round_stochastically(x, random_bits(p.random, what, p.first + i)); };
  parallel_ranges(threads, p.count, rows_per_task(1), [&](int64_t begin, int64_t end) {
    each_vector(end - begin, [&](int64_t offset, auto lanes) {
      const int64_t i = begin + offset;
      const Floats g = load(p.gradient + i, lanes) * clip;
      const Floats old_m = load(mean + i, lanes), old_v = load(square + i, lanes);
      const Floats old = p.master != nullptr ? load(p.master + i, lanes) : load(stored + i, lanes);
      Floats m = fma(all(share1), g, fma(all(-share1), old_m, old_m));
      Floats v = fma(all(share2), g * g, fma(all(-share2), old_v, old_v));
      Floats parameter = old - fma(all(decay), old, m * rate / (root(v * v_scale) + epsilon));
      if (p.master != nullptr) store(p.master + i, parameter, lanes);
      if constexpr (kStochastic) parameter = rounded(parameter, Rounded::kParameter, i);
      store(stored + i, parameter, lanes);
      if constexpr (kStochastic && sizeof(Moment) == 2) {
        m = rounded(m, Rounded::kM, i);
        v = rounded(v, Rounded::kV, i);
      }
      store(mean + i, m, lanes);
      store(square + i, v, lanes);
    });
  });
}

}  // namespace

void run(Threads& threads, const Adamw& p) {
  if (p.moments_dtype == DPO4J_BF16) return step<Bf16, Bf16, true>(threads, p);
  if (p.random != nullptr) return step<Bf16, float, true>(threads, p);
  with_storage(p.dtype, [&](auto stored) { step<decltype(stored), float, false>(threads, p); });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
