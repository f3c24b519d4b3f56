// g = clip gradient; parameter -= lr decay parameter + lr sign(m - s1 m + s1 g); m = (m - s2 m) + s2 g, with s1 = 1 - b1 and s2 = 1 - b2
// rounded to fp32, as in adamw.cpp. 20 bytes per parameter.
#include "weight_update.h"

namespace dpo4j::cpu::DPO4J_ISA {

void run(Threads& threads, const Lion& p) {
  const float rate = p.rates[0], decay = rate * p.weight_decay;
  const Floats share1 = all(p.share1), share2 = all(p.share2), zero = {};
  update_weights(threads, p, [&](int64_t i, auto lanes, Floats g, Floats weight) {
    const Floats m = load(p.m + i, lanes);
    const Floats direction = fma(share1, g, fma(-share1, m, m));
    store(p.m + i, fma(share2, g, fma(-share2, m, m)), lanes);
    const Floats signed_rate = direction > zero ? all(rate) : direction < zero ? all(-rate) : zero;
    return weight - fma(all(decay), weight, signed_rate);
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
