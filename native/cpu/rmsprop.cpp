// g = clip gradient + decay parameter; square = (square - s square) + s g^2; mean = (mean - s mean) + s g, with s = 1 - alpha rounded to
// fp32, as in adamw.cpp. u = g / (sqrt(square) + epsilon), centered g / (sqrt(max(0, square - mean^2)) + epsilon): the difference is a
// variance, which rounding may make negative. velocity = momentum velocity + u; parameter -= lr velocity, without momentum lr u. 20 bytes
// per parameter, 8 more for each of mean and velocity.
#include "weight_update.h"

namespace dpo4j::cpu::DPO4J_ISA {

void run(Threads& threads, const Rmsprop& p) {
  const Floats rate = all(-p.rates[0]), share = all(p.share), decay = all(p.weight_decay);
  const float epsilon = p.epsilon;
  update_weights(threads, p, [&](int64_t i, auto lanes, Floats gradient, Floats weight) {
    const Floats g = fma(decay, weight, gradient);
    const Floats old = load(p.square + i, lanes);
    const Floats square = fma(share, g * g, fma(-share, old, old));
    store(p.square + i, square, lanes);
    Floats variance = square;
    if (p.mean != nullptr) {
      const Floats old_mean = load(p.mean + i, lanes);
      const Floats mean = fma(share, g, fma(-share, old_mean, old_mean));
      store(p.mean + i, mean, lanes);
      variance = maximum(all(0), fma(-mean, mean, square));
    }
    Floats update = g / (root(variance) + epsilon);
    if (p.velocity != nullptr) {
      update = fma(all(p.momentum), load(p.velocity + i, lanes), update);
      store(p.velocity + i, update, lanes);
    }
    return fma(rate, update, weight);
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
