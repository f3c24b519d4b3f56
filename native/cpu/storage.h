// Tensors are fp32 or bf16 in memory and fp32 in registers.
#pragma once

#include "../dpo4j.h"
#include "vector.h"

namespace dpo4j::cpu::DPO4J_ISA {

struct Bf16 {
  uint16_t bits;
};

typedef uint16_t Halves __attribute__((vector_size(2 * kLanes)));

DPO4J_INLINE Ints widen_halves(Halves halves) { return __builtin_convertvector(halves, Ints); }

DPO4J_INLINE Ints load_halves(const void* at) {
  Halves halves;
  __builtin_memcpy(&halves, at, sizeof halves);
  return widen_halves(halves);
}

DPO4J_INLINE void store_halves(void* at, Ints values) {
  const Halves halves = __builtin_convertvector(values, Halves);
  __builtin_memcpy(at, &halves, sizeof halves);
}

// Rounds to the nearest bf16, to even if two are equally near. NaN stays NaN. The lower 16 bits may be anything.
DPO4J_INLINE Ints round_to_bf16(Floats values) {
  const Ints bits = (Ints)values;
  const Ints nearest = bits + 0x7fff + ((Ints)((Uints)bits >> 16) & 1);
  return values == values ? nearest : bits | 0x400000;
}

DPO4J_INLINE float load_one(const Bf16* at) {
  const uint32_t bits = uint32_t{at->bits} << 16;
  float wide;
  __builtin_memcpy(&wide, &bits, sizeof wide);
  return wide;
}
DPO4J_INLINE float load_one(const float* at) { return *at; }

DPO4J_INLINE Floats load(const Bf16* at, Whole) { return (Floats)(load_halves(at) << 16); }
DPO4J_INLINE Floats load(const Bf16* at, Whole lanes, float) { return load(at, lanes); }

// Lanes outside the part read as `fill`.
DPO4J_INLINE Floats load(const Bf16* at, Part part, float fill = 0) {
#if defined(__AVX512F__)
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(part), at));
  return (Floats)_mm512_mask_slli_epi32((__m512i)all(fill), first_lanes(part), wide, 16);
#else
  Floats v = all(fill);
  for (int i = 0; i < part.lanes; i++) v[i] = load_one(at + i);
  return v;
#endif
}

DPO4J_INLINE void store(Bf16* at, Floats v, Whole) { store_halves(at, (Ints)((Uints)round_to_bf16(v) >> 16)); }

DPO4J_INLINE void store(Bf16* at, Floats v, Part part) {
  const Halves halves = __builtin_convertvector((Ints)((Uints)round_to_bf16(v) >> 16), Halves);
  __builtin_memcpy(at, &halves, sizeof(Bf16) * part.lanes);
}

// Calls f with a value of the type in which tensors of this dtype are stored.
template <class F>
DPO4J_INLINE void with_storage(int32_t dtype, const F& f) {
  if (dtype == DPO4J_BF16) return f(Bf16{});
  f(float{});
}

}  // namespace dpo4j::cpu::DPO4J_ISA
