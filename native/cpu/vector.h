// Vectors of fp32 for the operations of native/cpu, as wide as those of the instruction set for which the file is compiled. DPO4J_ISA is
// the name of that instruction set and the namespace of everything here. If code for two instruction sets shared a symbol, the linker would
// keep one copy, and a processor without AVX-512 could run AVX-512 code. For the same reason the operations call no inline function of the
// standard library.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#define DPO4J_INLINE inline __attribute__((always_inline))

namespace dpo4j::cpu::DPO4J_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef int32_t Ints __attribute__((vector_size(4 * kLanes)));
typedef uint32_t Uints __attribute__((vector_size(4 * kLanes)));

constexpr float kInfinity = __builtin_inff();
constexpr float kNan = __builtin_nanf("");

// Which lanes a load or store accesses: all, or the first few, at the end of a row. These are two types, so that the loop over whole
// vectors has no branch and the end of the row uses the same code.
struct Whole {};
struct Part {
  int lanes;
};

// Broadcasts a number. Subtracting a zero vector keeps -0; adding a zero vector would make it 0.
DPO4J_INLINE Floats all(float value) { return value - Floats{}; }

DPO4J_INLINE Floats load(const float* at, Whole = {}) {
  Floats v;
  __builtin_memcpy(&v, at, sizeof v);
  return v;
}

DPO4J_INLINE void store(float* at, Floats v, Whole = {}) { __builtin_memcpy(at, &v, sizeof v); }

#if defined(__AVX512F__)
DPO4J_INLINE __mmask16 first_lanes(Part part) { return static_cast<__mmask16>((1u << part.lanes) - 1); }
#elif defined(__AVX2__)
DPO4J_INLINE Ints first_lanes(Part part) { return Ints{0, 1, 2, 3, 4, 5, 6, 7} < part.lanes; }
#endif

// Lanes outside the part read as `fill`.
DPO4J_INLINE Floats load(const float* at, Part part, float fill = 0) {
#if defined(__AVX512F__)
  return (Floats)_mm512_mask_loadu_ps((__m512)all(fill), first_lanes(part), at);
#elif defined(__AVX2__)
  const Ints mask = first_lanes(part);
  return mask ? (Floats)_mm256_maskload_ps(at, (__m256i)mask) : all(fill);
#else
  Floats v = all(fill);
  __builtin_memcpy(&v, at, 4 * part.lanes);
  return v;
#endif
}

DPO4J_INLINE Floats load(const float* at, Whole, float) { return load(at); }

DPO4J_INLINE void store(float* at, Floats v, Part part) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(at, first_lanes(part), (__m512)v);
#elif defined(__AVX2__)
  _mm256_maskstore_ps(at, (__m256i)first_lanes(part), (__m256)v);
#else
  __builtin_memcpy(at, &v, 4 * part.lanes);
#endif
}

// minimum() and maximum() return the second argument if either is NaN.
DPO4J_INLINE Floats minimum(Floats a, Floats b) {
#if defined(__AVX512F__)
  return (Floats)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Floats)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return a < b ? a : b;
#endif
}
DPO4J_INLINE Floats maximum(Floats a, Floats b) {
#if defined(__AVX512F__)
  return (Floats)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (Floats)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return a > b ? a : b;
#endif
}

DPO4J_INLINE Floats absolute(Floats a) { return (Floats)((Ints)a & 0x7fffffff); }

// a b + c, rounded once if the processor has fma.
DPO4J_INLINE Floats fma(Floats a, Floats b, Floats c) {
#if defined(__AVX512F__)
  return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}

DPO4J_INLINE Floats root(Floats a) {
#if defined(__AVX512F__)
  return (Floats)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX2__)
  return (Floats)_mm256_sqrt_ps((__m256)a);
#else
  for (int i = 0; i < kLanes; i++) a[i] = __builtin_sqrtf(a[i]);
  return a;
#endif
}

#if !defined(__AVX512F__)
// For |a| < 2^31.
DPO4J_INLINE Floats floor(Floats a) {
#if defined(__AVX2__)
  return (Floats)_mm256_floor_ps((__m256)a);
#else
  const Floats truncated = __builtin_convertvector(__builtin_convertvector(a, Ints), Floats);
  return truncated > a ? truncated - 1 : truncated;
#endif
}
#endif

DPO4J_INLINE float sum_of_lanes(Floats v) {
  float lanes[kLanes];
  store(lanes, v);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

DPO4J_INLINE float maximum_of_lanes(Floats v) {
  float lanes[kLanes];
  store(lanes, v);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
  }
  return lanes[0];
}

// x - n ln 2, for |n| <= 150. With fma, the rounding of ln 2 causes an error of 2e-9 n, a twentieth of the rounding error of x. Without
// fma, ln 2 is split in two parts; the first has 10 bits, so that its product with n is exact.
DPO4J_INLINE Floats minus_ln2(Floats n, Floats x) {
#if defined(__AVX2__)
  return fma(n, all(-0.693147182f), x);
#else
  return (x - n * 0.693359375f) + n * 2.12194440e-4f;
#endif
}

constexpr float kShift = 12582912.f;   // 1.5 * 2^23: adding it rounds to an integer, which is in the low bits of the sum
constexpr float kLowest = -87.33654f;  // ln of 2^-126

// exp(x) = 2^n exp(r) with n = round(x / ln 2), r = x - n ln 2, and exp(r) a polynomial of degree 6, minimax on |r| <= ln(2)/2 with a
// relative error of 3e-9. The error is at most 1.4 ulp for |x| <= 20, and 4.5 at the ends of the range. An x above 88 is treated as 88; a
// softmax or a stable sigmoid needs no larger x. Results below 2^-126 may be 0. exp(0) is exactly 1, exp(-inf) exactly 0, exp(NaN) NaN.
DPO4J_INLINE Floats exp(Floats x) {
  const Floats bounded = minimum(all(88), maximum(all(-104), x));  // exp(-104) rounds to 0
  const Floats shifted = fma(bounded, all(1.44269504f), all(kShift));
  const Floats n = shifted - kShift;
  const Floats r = minus_ln2(n, bounded);
  Floats p = all(0.0013814540579915047f);
  p = fma(p, r, all(0.00836874544620514f));
  p = fma(p, r, all(0.04166838899254799f));
  p = fma(p, r, all(0.1666652113199234f));
  p = fma(p, r, all(0.4999999403953552f));
  p = fma(p, r, all(1));
  p = fma(p, r, all(1));
#if defined(__AVX512F__)
  return (Floats)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  const Floats scaled = (Floats)((Ints)p + ((Ints)shifted << 23));  // adds n to the exponent
  return bounded < kLowest ? Floats{} : scaled;
#endif
}

DPO4J_INLINE float exp(float x) { return exp(all(x))[0]; }

constexpr float kLog2E = 1.44269504f;

// 2^y for y <= 1, which is all that a softmax needs: 2^floor(y) p(y - floor(y)). p is a polynomial of degree 5 with p(0) = 1, minimax on
// [0, 1] with a relative error of 1.4 u, u = 2^-24. The fraction y - floor(y), where -1 < y < 0, and the steps of p are rounded too:
// together the relative error is at most 3 u (checked for all y in [-4, 1]). exp(t) computed as 2^(t log2(e)) has an additional error of
// 1.23 |t| u, because the product and kLog2E are rounded; in return it needs fewer steps than exp(t). 2^0 is exactly 1, 2^-inf exactly 0,
// 2^NaN NaN. Results below 2^-126 may be 0, and y above 127 may be treated as 127. If kBits is below 24, the significand is rounded to
// nearest even to kBits bits. This replaces the last rounding of p (on processors without fma, it comes after it).
template <int kBits = 24>
DPO4J_INLINE Floats exp2(Floats y) {
#if defined(__AVX512F__)
  const Floats f = (Floats)_mm512_reduce_ps((__m512)y, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#else
  const Floats bounded = minimum(all(127), maximum(all(-127), y));
  const Floats n = floor(bounded);
  const Floats f = bounded - n;
#endif
  Floats p = all(0x1.e969p-10f);
  p = fma(p, f, all(0x1.277c1ep-7f));
  p = fma(p, f, all(0x1.c91c1p-5f));
  p = fma(p, f, all(0x1.ebdb6ap-3f));
  p = fma(p, f, all(0x1.62e4bap-1f));
  if constexpr (kBits < 24) {
    constexpr float kRound = 0x1.8p24f / (1 << kBits);  // its ulp is that of a number between 1 and 2 with kBits significant bits
    p = fma(p, f, all(1 + kRound)) - kRound;
  } else {
    p = fma(p, f, all(1));
  }
#if defined(__AVX512F__)
  return (Floats)_mm512_scalef_ps((__m512)p, (__m512)y);  // scalef takes the floor of y
#else
  const Floats scaled = (Floats)((Ints)p + (__builtin_convertvector(n, Ints) << 23));  // adds n to the exponent
  return y < -126 ? Floats{} : scaled;
#endif
}

// tanh(x) = E / (E + 2) with E = exp(2|x|) - 1, and the sign of x. E is computed as 2^n (exp(r) - 1) + (2^n - 1), n >= 0, with the
// polynomial of exp(): so E keeps its relative precision when it is tiny. The relative error is at most 4 u, u = 2^-24 (the max over every
// seventh x is 3.1 u). tanh(NaN) is NaN, tanh(inf) is 1 and tanh(-inf) is -1.
DPO4J_INLINE Floats tanh(Floats x) {
  const Floats y = minimum(all(20), 2 * absolute(x));  // tanh(10) rounds to 1
  const Floats shifted = fma(y, all(1.44269504f), all(kShift));
  const Floats n = shifted - kShift;
  const Floats r = minus_ln2(n, y);
  Floats p = all(0.0013814540579915047f);
  p = fma(p, r, all(0.00836874544620514f));
  p = fma(p, r, all(0.04166838899254799f));
  p = fma(p, r, all(0.1666652113199234f));
  p = fma(p, r, all(0.4999999403953552f));
  const Floats expm1_r = fma(p * r, r, r);
  const Floats power = (Floats)((Ints)all(1) + ((Ints)shifted << 23));  // 2^n
  const Floats e = fma(power, expm1_r, power - 1);
  const Floats t = e / (e + 2);
  return (Floats)((Ints)t | ((Ints)x & (Ints)all(-0.0f)));
}

// Calls f(i, lanes) for i = 0, kLanes, ... over [0, count).
template <class F>
DPO4J_INLINE void each_vector(int64_t count, const F& f) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) f(i, Whole{});
  if (i < count) f(i, Part{static_cast<int>(count - i)});
}

// The sum of f(i, lanes) over [0, count), in an order that depends only on count: four running vectors, then a tree over the lanes. f must
// return 0 in lanes outside the part.
template <class F>
DPO4J_INLINE float sum_over(int64_t count, const F& f) {
  Floats a = all(0), b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    a += f(i, Whole{});
    b += f(i + kLanes, Whole{});
    c += f(i + 2 * kLanes, Whole{});
    d += f(i + 3 * kLanes, Whole{});
  }
  for (; i + kLanes <= count; i += kLanes) a += f(i, Whole{});
  if (i < count) b += f(i, Part{static_cast<int>(count - i)});
  return sum_of_lanes((a + b) + (c + d));
}

// The max of f(i, lanes) over [0, count); NaN is ignored. f must return -infinity in lanes outside the part.
template <class F>
DPO4J_INLINE float maximum_over(int64_t count, const F& f) {
  Floats a = all(-kInfinity), b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    a = maximum(f(i, Whole{}), a);
    b = maximum(f(i + kLanes, Whole{}), b);
    c = maximum(f(i + 2 * kLanes, Whole{}), c);
    d = maximum(f(i + 3 * kLanes, Whole{}), d);
  }
  for (; i + kLanes <= count; i += kLanes) a = maximum(f(i, Whole{}), a);
  if (i < count) b = maximum(f(i, Part{static_cast<int>(count - i)}), b);
  return maximum_of_lanes(maximum(maximum(a, b), maximum(c, d)));
}

}  // namespace dpo4j::cpu::DPO4J_ISA
