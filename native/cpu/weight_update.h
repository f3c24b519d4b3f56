// What the optimizers share on the CPU: a pass over weights and gradients, and stochastic rounding. kernels/weight_update.cuh says how
// weights are stored.
#pragma once

#include "cpu.h"
#include "formulas/philox.h"
#include "storage.h"

namespace dpo4j::cpu::DPO4J_ISA {

constexpr int64_t kElementsPerCounter = 8;

// The last word of a Philox counter: which of the three values of an element is rounded.
enum class Rounded : uint32_t { kParameter, kM, kV };

// The 16 random bits of each of kLanes elements; `element` is the number of the first.
DPO4J_INLINE Ints random_bits(const uint32_t* random, Rounded what, int64_t element) {
  constexpr int64_t kAtOnce = kLanes < kElementsPerCounter ? kLanes : kElementsPerCounter;
  Ints bits;
  for (int64_t lane = 0; lane < kLanes; lane += kAtOnce) {
    const uint64_t group = static_cast<uint64_t>(element + lane) / kElementsPerCounter;
    const auto low = static_cast<uint32_t>(group), high = static_cast<uint32_t>(group >> 32);
    const PhiloxBits drawn = philox({low, high, random[2], static_cast<uint32_t>(what)}, random[0], random[1]);
    const uint32_t words[] = {drawn.x, drawn.y, drawn.z, drawn.w};
    for (int64_t i = 0; i < kAtOnce; i++) {
      const int64_t j = (element + lane + i) % kElementsPerCounter;
      bits[lane + i] = static_cast<int32_t>(words[j / 2] >> (16 * (j % 2)) & 0xffff);
    }
  }
  return bits;
}

// Adds the random bits to the 16 bits that are dropped. Infinities and NaN do not change.
DPO4J_INLINE Floats round_stochastically(Floats x, Ints random) {
  const Ints bits = (Ints)x, exponent = bits & 0x7f800000;
  return (Floats)(exponent == 0x7f800000 ? bits : (bits + random) & -65536);
}

// The exact weights from element i on, and their storage after a step.
template <class T, class Params, class Lanes>
DPO4J_INLINE Floats load_weight(const Params& p, int64_t i, Lanes lanes) {
  return p.master != nullptr ? load(p.master + i, lanes) : load(static_cast<const T*>(p.parameter) + i, lanes);
}
template <class T, bool kStochastic, class Params, class Lanes>
DPO4J_INLINE void store_weight(const Params& p, int64_t i, Floats weight, Lanes lanes) {
  if (p.master != nullptr) store(p.master + i, weight, lanes);
  if constexpr (kStochastic) weight = round_stochastically(weight, random_bits(p.random, Rounded::kParameter, p.first + i));
  store(static_cast<T*>(p.parameter) + i, weight, lanes);
}

// Calls f with a value of the type in which parameters are stored, and whether they are rounded stochastically.
struct Yes {
  static constexpr bool value = true;
};
struct No {
  static constexpr bool value = false;
};
template <class Params, class F>
DPO4J_INLINE void with_rounding(const Params& p, const F& f) {
  if (p.random != nullptr) return f(Bf16{}, Yes{});
  if (p.dtype == DPO4J_BF16) return f(Bf16{}, No{});
  f(float{}, No{});
}

// Replaces each weight by updated(i, lanes, g, weight), where i is the element's number and g its clipped gradient. Does nothing if the
// gradient was not finite.
template <class Params, class F>
DPO4J_INLINE void update_weights(Threads& threads, const Params& p, const F& updated) {
  const float clip = p.clip == nullptr ? 1 : *p.clip;
  if (clip != clip) return;
  with_rounding(p, [&](auto stored, auto is_stochastic) {
    using T = decltype(stored);
    parallel_ranges(threads, p.count, rows_per_task(1), [&](int64_t begin, int64_t end) {
      each_vector(end - begin, [&](int64_t offset, auto lanes) {
        const int64_t i = begin + offset;
        const Floats weight = updated(i, lanes, load(p.gradient + i, lanes) * clip, load_weight<T>(p, i, lanes));
        store_weight<T, decltype(is_stochastic)::value>(p, i, weight, lanes);
      });
    });
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
