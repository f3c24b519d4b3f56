// Logits and their gradients are fp32, bf16 or fp16 in memory and fp32 in registers, one Pair (kPair consecutive elements of a row) at a
// time. The two vectors of a Pair are its first and second half. If both types of a loop are bf16, they are instead the even and the odd
// elements: then conversion to and from fp32 needs no permutation of lanes.
#pragma once

#include "storage.h"

namespace dpo4j::cpu::DPO4J_ISA {

struct F16 {
  uint16_t bits;
};

struct Pair {
  Floats first, second;
};
constexpr int kPair = 2 * kLanes;

constexpr size_t kCacheLine = 64;
constexpr int32_t kUpperHalf = -65536;

// The significant bits to which values must be rounded before store() converts them to T: for bf16, store() truncates. For fp16, store()
// itself rounds.
template <class T>
constexpr int kSignificand = 24;
template <>
constexpr int kSignificand<Bf16> = 8;

template <class T>
constexpr bool kIsBf16 = kSignificand<T> == 8;

// ---- fp16: rounded to nearest even, to infinity above 65504, NaN stays NaN

DPO4J_INLINE Floats load(const F16* at) {
#if defined(__AVX512F__)
  return (Floats)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
#elif defined(__AVX2__)
  return (Floats)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
#else
  const Ints bits = load_halves(at);
  const Ints magnitude = bits & 0x7fff;
  const Ints scaled = (Ints)((Floats)(magnitude << 13) * 0x1p112f);  // exact; subnormals become normal
  return (Floats)(scaled | ((magnitude >= 0x7c00) & 0x7f800000) | ((bits & 0x8000) << 16));
#endif
}

DPO4J_INLINE void store(F16* at, Floats values) {
#if defined(__AVX512F__)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), _mm512_cvtps_ph((__m512)values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(__AVX2__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(at), _mm256_cvtps_ph((__m256)values, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#else
  const Ints sign = (Ints)values >> 16 & 0x8000;
  const Ints magnitude = (Ints)values & 0x7fffffff;
  const Ints normal = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  const Ints subnormal = (Ints)((Floats)magnitude + 0.5f) - 0x3f000000;  // the ulp of 0.5 in fp32 is that of fp16 subnormals
  const Ints finite = magnitude < 0x38800000 ? subnormal : normal;
  const Ints large = magnitude > 0x7f800000 ? Ints{} + 0x7e00 : Ints{} + 0x7c00;
  store_halves(at, sign | (magnitude >= 0x47800000 ? large : finite));
#endif
}

// ---- bf16

DPO4J_INLINE Floats load(const Bf16* at) { return (Floats)(load_halves(at) << 16); }

// Stores the upper halves of values that are already rounded.
DPO4J_INLINE void store(Bf16* at, Floats rounded) { store_halves(at, (Ints)rounded >> 16 & 0xffff); }

// Rounds to nearest even, to the significand of T, if store() for T truncates.
template <class T>
DPO4J_INLINE Floats rounded(Floats values) {
  if constexpr (kSignificand<T> == 8) {
    const Ints bits = (Ints)values;
    const Ints nearest = bits + 0x7fff + ((Ints)((Uints)bits >> 16) & 1);
    return values == values ? (Floats)nearest : values;
  } else {
    return values;
  }
}

// ---- pairs

// `With` is the other type that the loop loads or stores.
template <class With, class T>
DPO4J_INLINE Pair load_pair(const T* at) {
  if constexpr (kIsBf16<T> && kIsBf16<With>) {
    Ints both;
    __builtin_memcpy(&both, at, sizeof both);
    return {(Floats)(both << 16), (Floats)(both & kUpperHalf)};
  } else {
    return {load(at), load(at + kLanes)};
  }
}

template <class With, class T>
DPO4J_INLINE void store_pair(T* at, Pair pair) {
  if constexpr (kIsBf16<T> && kIsBf16<With>) {
    const Ints even = (Ints)((Uints)(Ints)pair.first >> 16);
    const Ints both = even | ((Ints)pair.second & kUpperHalf);
    __builtin_memcpy(at, &both, sizeof both);
  } else {
    store(at, pair.first);
    store(at + kLanes, pair.second);
  }
}

// Prefetches the memory `ahead` bytes after a pair, into L2 and not L1: L1 allows too few outstanding requests to use the full memory
// bandwidth.
template <class T>
DPO4J_INLINE void prefetch_pair(const T* at, size_t ahead) {
  const uintptr_t first = reinterpret_cast<uintptr_t>(at) + ahead;
  for (size_t byte = 0; byte < kPair * sizeof(T); byte += kCacheLine) __builtin_prefetch(reinterpret_cast<const void*>(first + byte), 0, 2);
}

// ---- single elements, rounded to nearest even

DPO4J_INLINE float widen(float value) { return value; }
DPO4J_INLINE float widen(Bf16 value) { return load_one(&value); }
DPO4J_INLINE float widen(F16 value) {
  F16 lanes[kLanes] = {value};
  return load(lanes)[0];
}

template <class T>
DPO4J_INLINE T narrow(float value) {
  if constexpr (kIsBf16<T>) {
    uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    const bool nan = value != value;
    return {static_cast<uint16_t>(nan ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
  } else {
    T lanes[kLanes];
    store(lanes, all(value));
    return lanes[0];
  }
}

}  // namespace dpo4j::cpu::DPO4J_ISA
