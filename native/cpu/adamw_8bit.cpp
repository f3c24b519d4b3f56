// The step of adamw.cpp with moments of 8 bits: an element of m is signed_map[code] m_max, one of v is unsigned_map[code] v_max, with the
// maxima of its block of 256 elements. A task computes whole blocks: first the new moments and weights, then the maxima, then the codes.
// 16 bytes per parameter.
#include "formulas/dynamic_map.h"
#include "weight_update.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

struct Maps {
  DynamicMap m, v;
};

constexpr Maps make_maps() {
  Maps maps = {};
  for (int i = 0; i < kCodes; i++) {
    maps.m.value[i] = signed_map(i);
    maps.v.value[i] = unsigned_map(i);
  }
  for (int i = 0; i + 1 < kCodes; i++) {
    maps.m.middle[i] = 0.5f * (maps.m.value[i] + maps.m.value[i + 1]);
    maps.v.middle[i] = 0.5f * (maps.v.value[i] + maps.v.value[i + 1]);
  }
  return maps;
}

constexpr Maps kMaps = make_maps();

// Stores x[0, count), x in units of its maximum.
float encode(uint8_t* codes, const DynamicMap& map, const float* x, int64_t count) {
  Floats max = {};
  each_vector(count, [&](int64_t i, auto lanes) { max = maximum(max, absolute(load(x + i, lanes))); });
  const float largest = maximum_of_lanes(max);
  const float divisor = largest > 0 ? largest : 1;
  for (int64_t i = 0; i < count; i++) codes[i] = static_cast<uint8_t>(nearest_code(map.middle, x[i] / divisor));
  return largest;
}

void decode(float* x, const DynamicMap& map, const uint8_t* codes, float max, int64_t count) {
  for (int64_t i = 0; i < count; i++) x[i] = map.value[codes[i]] * max;
}

template <class T, bool kStochastic>
void step(Threads& threads, const Adamw8bit& p) {
  const float clip = p.clip == nullptr ? 1 : *p.clip;
  if (clip != clip) return;  // the gradient was not finite: no step
  const float rate = p.rates[0] * p.rates[1], v_scale = p.rates[2], decay = p.rates[0] * p.weight_decay;
  const float share1 = p.share1, share2 = p.share2, epsilon = p.epsilon;
  parallel_ranges(threads, p.count, kMapBlock, [&](int64_t begin, int64_t end) {
    const int64_t block = begin / kMapBlock, count = end - begin;
    float mean[kMapBlock], square[kMapBlock];
    decode(mean, kMaps.m, p.m + begin, p.m_max[block], count);
    decode(square, kMaps.v, p.v + begin, p.v_max[block], count);
    each_vector(count, [&](int64_t offset, auto lanes) {
      const int64_t i = begin + offset;
      const Floats g = load(p.gradient + i, lanes) * clip, old = load_weight<T>(p, i, lanes);
      const Floats old_m = load(mean + offset, lanes), old_v = load(square + offset, lanes);
      const Floats m = fma(all(share1), g, fma(all(-share1), old_m, old_m));
      const Floats v = fma(all(share2), g * g, fma(all(-share2), old_v, old_v));
      store(mean + offset, m, lanes);
      store(square + offset, v, lanes);
      store_weight<T, kStochastic>(p, i, old - fma(all(decay), old, m * rate / (root(v * v_scale) + epsilon)), lanes);
    });
    p.m_max[block] = encode(p.m + begin, kMaps.m, mean, count);
    p.v_max[block] = encode(p.v + begin, kMaps.v, square, count);
  });
}

}  // namespace

void run(Threads& threads, const Adamw8bit& p) {
  with_rounding(p, [&](auto stored, auto is_stochastic) { step<decltype(stored), decltype(is_stochastic)::value>(threads, p); });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
