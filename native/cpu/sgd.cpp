// g = clip gradient + decay parameter; velocity = momentum velocity + share g, where share is 1 in the first step; parameter -= lr velocity, with nesterov lr (g + momentum
// velocity), without momentum lr g. 12 bytes per parameter, 20 with momentum.
#include "weight_update.h"

namespace dpo4j::cpu::DPO4J_ISA {

void run(Threads& threads, const Sgd& p) {
  const bool is_first = p.steps != nullptr && *p.steps <= 1;
  const Floats rate = all(-p.rates[0]), share = all(is_first ? 1 : p.share), momentum = all(p.momentum), decay = all(p.weight_decay);
  update_weights(threads, p, [&](int64_t i, auto lanes, Floats gradient, Floats weight) {
    const Floats g = fma(decay, weight, gradient);
    if (p.velocity == nullptr) return fma(rate, g, weight);
    const Floats velocity = fma(momentum, load(p.velocity + i, lanes), share * g);
    store(p.velocity + i, velocity, lanes);
    return fma(rate, p.nesterov ? fma(momentum, velocity, g) : velocity, weight);
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
