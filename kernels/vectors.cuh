// Vectors of consecutive elements. In registers they are fp32, whatever their storage type. Memory is accessed 16 bytes at a time if rows
// are 16-byte aligned. Otherwise, and at the ends of rows, it is accessed one element at a time.
#pragma once

#include <cuda_fp16.h>

#include <type_traits>

#include "portable.cuh"

namespace dpo4j::cuda {

template <int N>
struct Vec {
  float x[N];
  __device__ __forceinline__ float& operator[](int i) { return x[i]; }
  __device__ __forceinline__ float operator[](int i) const { return x[i]; }
};

template <int N>
struct Count {
  static constexpr int value = N;
};

// The cache hint of an access. kOnce (evict-first) marks bytes that are not read again soon.
enum class Access { kPlain, kOnce };

template <Access A, class V>
__device__ __forceinline__ V load_vector(const V* address) {
  return A == Access::kOnce ? __ldcs(address) : *address;
}

template <Access A, class V>
__device__ __forceinline__ void store_vector(V* address, V vector) {
  if (A == Access::kOnce) {
    __stcs(address, vector);
  } else {
    *address = vector;
  }
}

__device__ __forceinline__ float load_one(const float* address) { return *address; }
__device__ __forceinline__ float load_one(const __nv_bfloat16* address) { return __bfloat162float(*address); }
__device__ __forceinline__ float load_one(const __half* address) { return __half2float(*address); }
__device__ __forceinline__ void store_one(float* address, float x) { *address = x; }
__device__ __forceinline__ void store_one(__nv_bfloat16* address, float x) { *address = __float2bfloat16_rn(x); }
__device__ __forceinline__ void store_one(__half* address, float x) { *address = __float2half_rn(x); }

// Two consecutive elements of a 16-bit type in one register, the first in its low half.
template <class T>
__device__ __forceinline__ float2 unpack_pair(uint32_t pair);
template <>
__device__ __forceinline__ float2 unpack_pair<__nv_bfloat16>(uint32_t pair) {
  return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u));
}
template <>
__device__ __forceinline__ float2 unpack_pair<__half>(uint32_t pair) {
  __half2 halves;
  memcpy(&halves, &pair, sizeof pair);
  return __half22float2(halves);
}

template <class T>
__device__ __forceinline__ uint32_t pack_pair(float low, float high);
template <>
__device__ __forceinline__ uint32_t pack_pair<__nv_bfloat16>(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t word;
  memcpy(&word, &pair, sizeof word);
  return word;
}
template <>
__device__ __forceinline__ uint32_t pack_pair<__half>(float low, float high) {
  const __half2 pair = __floats2half2_rn(low, high);
  uint32_t word;
  memcpy(&word, &pair, sizeof word);
  return word;
}

// A 16-byte vector of elements in their storage type, and the number of these elements.
template <class T>
using Packed16 = std::conditional_t<sizeof(T) == 4, float4, uint4>;
template <class T>
constexpr int kPer16Bytes = 16 / sizeof(T);

template <class T>
__device__ __forceinline__ Vec<kPer16Bytes<T>> unpack(const Packed16<T>& packed) {
  if constexpr (sizeof(T) == 4) {
    return {{packed.x, packed.y, packed.z, packed.w}};
  } else {
    const float2 a = unpack_pair<T>(packed.x), b = unpack_pair<T>(packed.y), c = unpack_pair<T>(packed.z), d = unpack_pair<T>(packed.w);
    return {{a.x, a.y, b.x, b.y, c.x, c.y, d.x, d.y}};
  }
}

// The 16-byte vector that stores v[i], v[i + 1], ...
template <class T, int N>
__device__ __forceinline__ Packed16<T> pack(const Vec<N>& v, int i = 0) {
  if constexpr (sizeof(T) == 4) {
    return make_float4(v[i], v[i + 1], v[i + 2], v[i + 3]);
  } else {
    return make_uint4(pack_pair<T>(v[i], v[i + 1]), pack_pair<T>(v[i + 2], v[i + 3]), pack_pair<T>(v[i + 4], v[i + 5]),
                      pack_pair<T>(v[i + 6], v[i + 7]));
  }
}

// Loads N elements from `address`. For N > 1 it must be 16-byte aligned (8 bytes for four 16-bit elements).
template <int N, Access A = Access::kPlain, class T>
__device__ __forceinline__ Vec<N> load(const T* address) {
  Vec<N> v;
  if constexpr (N == 1) {
    v[0] = load_one(address);
  } else if constexpr (N == 4 && sizeof(T) == 2) {
    const uint2 packed = load_vector<A>(reinterpret_cast<const uint2*>(address));
    const float2 a = unpack_pair<T>(packed.x), b = unpack_pair<T>(packed.y);
    v[0] = a.x, v[1] = a.y, v[2] = b.x, v[3] = b.y;
  } else {
#pragma unroll
    for (int i = 0; i < N; i += kPer16Bytes<T>) {
      const Vec<kPer16Bytes<T>> part = unpack<T>(load_vector<A>(reinterpret_cast<const Packed16<T>*>(address + i)));
#pragma unroll
      for (int k = 0; k < kPer16Bytes<T>; k++) v[i + k] = part[k];
    }
  }
  return v;
}

template <int N, Access A = Access::kPlain, class T>
__device__ __forceinline__ void store(T* address, const Vec<N>& v) {
  if constexpr (N == 1) {
    store_one(address, v[0]);
  } else if constexpr (N == 4 && sizeof(T) == 2) {
    store_vector<A>(reinterpret_cast<uint2*>(address), make_uint2(pack_pair<T>(v[0], v[1]), pack_pair<T>(v[2], v[3])));
  } else {
#pragma unroll
    for (int i = 0; i < N; i += kPer16Bytes<T>) store_vector<A>(reinterpret_cast<Packed16<T>*>(address + i), pack<T>(v, i));
  }
}

constexpr int kVector = 8;  // 16 bytes of bf16, 32 bytes of fp32

// kVector elements in registers, in their storage type T. Elements of 16 bits take half the registers of a Vec.
template <class T>
struct Stored {
  Packed16<T> parts[kVector / kPer16Bytes<T>];
};

// N elements that were loaded and are not used yet.
template <int N, class T>
using Held = std::conditional_t<N == kVector, Stored<T>, Vec<N>>;

template <int N, class T>
__device__ __forceinline__ Held<N, T> hold(const T* address) {
  if constexpr (N == kVector) {
    Stored<T> held;
#pragma unroll
    for (int i = 0; i < kVector / kPer16Bytes<T>; i++) held.parts[i] = reinterpret_cast<const Packed16<T>*>(address)[i];
    return held;
  } else {
    return load<N>(address);
  }
}

template <int N>
__device__ __forceinline__ Vec<N> values(const Vec<N>& held) {
  return held;
}
template <class T>
__device__ __forceinline__ Vec<kVector> values(const Stored<T>& held) {
  Vec<kVector> v;
#pragma unroll
  for (int i = 0; i < kVector; i += kPer16Bytes<T>) {
    const Vec<kPer16Bytes<T>> part = unpack<T>(held.parts[i / kPer16Bytes<T>]);
#pragma unroll
    for (int k = 0; k < kPer16Bytes<T>; k++) v[i + k] = part[k];
  }
  return v;
}

// Distributes the columns of a row over `threads` threads: step(Count<N>, column) for vectors in [0, vectors_end), step(Count<1>, column)
// from there to width. The columns of a thread, and their order, depend only on width and threads.
template <int N = kVector, class Step>
__device__ __forceinline__ void for_columns(int64_t width, int64_t vectors_end, int64_t thread, int64_t threads, Step step) {
  for (int64_t column = thread * N; column < vectors_end; column += threads * N) step(Count<N>{}, column);
  for (int64_t column = vectors_end + thread; column < width; column += threads) step(Count<1>{}, column);
}

// to[column] = map(from[column]) for the columns of a row, which a warp or block distributes as for_columns does. map takes 16 bytes of
// elements, or one element, as they are stored. A thread loads kMapped vectors before it stores the first, because a store might change
// what a later load reads: with one at a time, a thread has 16 bytes on their way. `to` may be `from`.
constexpr int kMapped = 4;
template <class T, class Map>
__device__ __forceinline__ void map_columns(T* to, const T* from, int64_t width, int64_t vectors_end, int64_t thread, int64_t threads,
                                            Map map) {
  constexpr int N = kPer16Bytes<T>;
  const int64_t stride = threads * N;
  for (int64_t begin = thread * N; begin < vectors_end; begin += kMapped * stride) {
    Packed16<T> v[kMapped] = {};
#pragma unroll
    for (int i = 0; i < kMapped; i++) {
      if (begin + i * stride < vectors_end) v[i] = *reinterpret_cast<const Packed16<T>*>(from + begin + i * stride);
    }
#pragma unroll
    for (int i = 0; i < kMapped; i++) {
      if (begin + i * stride < vectors_end) *reinterpret_cast<Packed16<T>*>(to + begin + i * stride) = map(v[i]);
    }
  }
  for (int64_t column = vectors_end + thread; column < width; column += threads) to[column] = map(from[column]);
}

// A map of map_columns: elements times a factor.
template <class T>
struct Scaled {
  float factor;
  __device__ __forceinline__ Packed16<T> operator()(const Packed16<T>& packed) const {
    Vec<kPer16Bytes<T>> v = unpack<T>(packed);
#pragma unroll
    for (int k = 0; k < kPer16Bytes<T>; k++) v[k] *= factor;
    return pack<T>(v);
  }
  __device__ __forceinline__ T operator()(const T& element) const {
    T scaled;
    store_one(&scaled, load_one(&element) * factor);
    return scaled;
  }
};

// The column where the whole vectors of a 16-byte aligned row end.
inline __host__ __device__ int64_t whole_vectors(int64_t width, int n = kVector) { return width / n * n; }

// The same for contiguous rows: 0 if the second row would not be 16-byte aligned, because then no vectors are used.
inline int64_t whole_vectors_end_to_end(int64_t width, int64_t element_bytes) {
  return width * element_bytes % 16 == 0 ? whole_vectors(width) : 0;
}

}  // namespace dpo4j::cuda
