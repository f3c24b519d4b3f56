// Groups of neighbouring elements, in registers as fp32 whatever their storage is. Memory is read and written 16 bytes at a time where rows
// start on 16 bytes, and one element at a time elsewhere and at the ends of rows.
#pragma once

#include "portable.cuh"

namespace dpo4j::cuda {

template <int N>
struct Values {
  float x[N];
  __device__ __forceinline__ float& operator[](int i) { return x[i]; }
  __device__ __forceinline__ float operator[](int i) const { return x[i]; }
};

template <int N>
struct Count {
  static constexpr int value = N;
};

// How memory is touched. kOnce marks bytes that nobody reads again soon, so that they do not push others out of the cache.
enum class Access { kPlain, kOnce };

template <Access A, class Word>
__device__ __forceinline__ Word load_word(const Word* address) {
  return A == Access::kOnce ? __ldcs(address) : *address;
}

template <Access A, class Word>
__device__ __forceinline__ void store_word(Word* address, Word word) {
  if (A == Access::kOnce) {
    __stcs(address, word);
  } else {
    *address = word;
  }
}

__device__ __forceinline__ float low_half(uint32_t pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float high_half(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }

__device__ __forceinline__ uint32_t pair_of(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t word;
  memcpy(&word, &pair, sizeof word);
  return word;
}

__device__ __forceinline__ float load_one(const float* address) { return *address; }
__device__ __forceinline__ float load_one(const __nv_bfloat16* address) { return __bfloat162float(*address); }
__device__ __forceinline__ void store_one(float* address, float x) { *address = x; }
__device__ __forceinline__ void store_one(__nv_bfloat16* address, float x) { *address = __float2bfloat16_rn(x); }

// N elements from `address`, which N > 1 wants on 16 bytes (8 bytes for four bf16).
template <int N, Access A = Access::kPlain>
__device__ __forceinline__ Values<N> load(const float* address) {
  Values<N> v;
  if constexpr (N == 1) {
    v[0] = load_one(address);
  } else {
#pragma unroll
    for (int i = 0; i < N; i += 4) {
      const float4 four = load_word<A>(reinterpret_cast<const float4*>(address + i));
      v[i] = four.x, v[i + 1] = four.y, v[i + 2] = four.z, v[i + 3] = four.w;
    }
  }
  return v;
}

template <int N, Access A = Access::kPlain>
__device__ __forceinline__ Values<N> load(const __nv_bfloat16* address) {
  Values<N> v;
  if constexpr (N == 1) {
    v[0] = load_one(address);
  } else if constexpr (N == 4) {
    const uint2 word = load_word<A>(reinterpret_cast<const uint2*>(address));
    v[0] = low_half(word.x), v[1] = high_half(word.x), v[2] = low_half(word.y), v[3] = high_half(word.y);
  } else {
#pragma unroll
    for (int i = 0; i < N; i += 8) {
      const uint4 word = load_word<A>(reinterpret_cast<const uint4*>(address + i));
      v[i] = low_half(word.x), v[i + 1] = high_half(word.x), v[i + 2] = low_half(word.y), v[i + 3] = high_half(word.y);
      v[i + 4] = low_half(word.z), v[i + 5] = high_half(word.z), v[i + 6] = low_half(word.w), v[i + 7] = high_half(word.w);
    }
  }
  return v;
}

template <int N, Access A = Access::kPlain>
__device__ __forceinline__ void store(float* address, const Values<N>& v) {
  if constexpr (N == 1) {
    store_one(address, v[0]);
  } else {
#pragma unroll
    for (int i = 0; i < N; i += 4) {
      store_word<A>(reinterpret_cast<float4*>(address + i), make_float4(v[i], v[i + 1], v[i + 2], v[i + 3]));
    }
  }
}

template <int N, Access A = Access::kPlain>
__device__ __forceinline__ void store(__nv_bfloat16* address, const Values<N>& v) {
  if constexpr (N == 1) {
    store_one(address, v[0]);
  } else if constexpr (N == 4) {
    store_word<A>(reinterpret_cast<uint2*>(address), make_uint2(pair_of(v[0], v[1]), pair_of(v[2], v[3])));
  } else {
#pragma unroll
    for (int i = 0; i < N; i += 8) {
      store_word<A>(reinterpret_cast<uint4*>(address + i), make_uint4(pair_of(v[i], v[i + 1]), pair_of(v[i + 2], v[i + 3]),
                                                                      pair_of(v[i + 4], v[i + 5]), pair_of(v[i + 6], v[i + 7])));
    }
  }
}

constexpr int kVector = 8;  // 16 bytes of bf16, twice 16 of fp32

// Columns of a row, dealt to `threads` threads: step(Count<N>, column) for whole vectors in [0, vectors_end), step(Count<1>, column) for
// the columns from there to width. A thread's columns, and their order, depend on width and threads alone.
template <int N = kVector, class Step>
__device__ __forceinline__ void for_columns(int64_t width, int64_t vectors_end, int64_t thread, int64_t threads, Step step) {
  for (int64_t column = thread * N; column < vectors_end; column += threads * N) step(Count<N>{}, column);
  for (int64_t column = vectors_end + thread; column < width; column += threads) step(Count<1>{}, column);
}

// Where whole vectors end in rows that start on 16 bytes.
inline __host__ __device__ int64_t whole_vectors(int64_t width, int n = kVector) { return width / n * n; }

// The same in rows that lie end to end: none when the second row, of elements of this size, would not start on 16 bytes.
inline int64_t whole_vectors_end_to_end(int64_t width, int64_t element_bytes) {
  return width * element_bytes % 16 == 0 ? whole_vectors(width) : 0;
}

}  // namespace dpo4j::cuda
