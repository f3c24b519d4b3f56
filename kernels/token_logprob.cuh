// Shared by the kernels of token_logprob: how a row is distributed over threads, and the transform of a logit.
//
// A row is cut into slices, and a team of threads reads each slice. A thread accumulates its columns in order, a tree merges the lanes of a
// warp, and the warps of all teams are merged in one order. Slices, teams and orders depend only on the vocabulary. So a row has the same
// bits whether its teams run one after another in one block or in parallel in the blocks of a cluster.
#pragma once

#include "formulas/logit_transform.h"
#include "reduce.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda::token_logprob {

// ---- a row and its threads --------------------------------------------------------------------------------------------------------------

constexpr int kTile = 16;                          // columns that a thread reads together
constexpr int kTeamThreads = 256, kMaxWarps = 64;  // threads of a team, at most; warps of all teams of a row

// A block runs one team, or several teams of kTeamThreads side by side.
__device__ __forceinline__ int32_t thread_of_team() { return static_cast<int32_t>(threadIdx.x % kTeamThreads); }

// The whole 16-byte vectors of one slice, and the columns that remain at the end of a row. Thread t of the team handles vectors t, t +
// threads, ..., so that accesses are coalesced, and the t-th remaining column.
template <class T>
struct Slice {
  int64_t begin;  // the first column
  int32_t vectors, left;
  __device__ Slice(int64_t begin, int64_t end)
      : begin(begin),
        vectors(static_cast<int32_t>((end - begin) / kPer16Bytes<T>)),
        left(static_cast<int32_t>((end - begin) % kPer16Bytes<T>)) {}
  __device__ int64_t columns_in_vectors() const { return static_cast<int64_t>(vectors) * kPer16Bytes<T>; }
  // The thread that handles a column, counted from `begin`; -1 if it is outside the slice.
  __device__ int32_t thread_of(int64_t column, int32_t threads) const {
    const int64_t beyond_vectors = column - columns_in_vectors();
    if (beyond_vectors >= left) return -1;
    return static_cast<int32_t>(beyond_vectors >= 0 ? beyond_vectors : column / kPer16Bytes<T> % threads);
  }
};

// The slices of a row.
struct Teams {
  int64_t vocabulary;
  int64_t width;  // columns of a slice; a multiple of kTile, so that every slice is 16-byte aligned
  int32_t count;
  int32_t threads;  // of a team
  // The same in 16-byte vectors of stored elements: those of a slice, the whole ones of a row, and the columns after them. All of these are in
  // the last slice.
  int32_t slice_vectors, vectors, left;
  __device__ int32_t warps() const { return threads / kWarp; }
  __device__ int64_t begin(int32_t team) const { return team * width < vocabulary ? team * width : vocabulary; }
  // The first vector of this thread in a slice, counted from the start of the row, and the end of the slice.
  __device__ int32_t first_vector(int32_t team) const { return team * slice_vectors + thread_of_team(); }
  __device__ int32_t end_vector(int32_t team) const { return (team + 1) * slice_vectors < vectors ? (team + 1) * slice_vectors : vectors; }
  template <class T>
  __device__ Slice<T> slice(int32_t team) const {
    return {begin(team), begin(team + 1)};
  }
};

// Up to 16384 columns are one slice, whose threads have up to four tiles each. With more slices, or more threads, many threads would have no
// columns in their tile, and each slice would wait for memory again.
inline Teams teams_of(int64_t vocabulary, int32_t element_bytes) {
  const int32_t count = vocabulary <= 16384 ? 1 : vocabulary <= 65536 ? 4 : 8;
  const int32_t threads = vocabulary <= 512 ? kWarp : vocabulary <= 4096 ? 64 : vocabulary <= 8192 ? 128 : kTeamThreads;
  const int64_t width = divide_up(vocabulary, count * kTile) * kTile, per_vector = 16 / element_bytes;
  return {vocabulary,
          width,
          count,
          threads,
          static_cast<int32_t>(width / per_vector),
          static_cast<int32_t>(vocabulary / per_vector),
          static_cast<int32_t>(vocabulary % per_vector)};
}

template <class Params>
__device__ __forceinline__ int64_t logits_row(const Params& x, int64_t row) {
  return x.row_index ? x.row_index[row] : row;
}

// Vectors i, i + threads, ... of a slice.
template <class T>
struct Tile {
  static constexpr int kVectors = kTile / kPer16Bytes<T>;
  Packed16<T> vectors[kVectors];
};

// A vector of -inf, for columns beyond the vocabulary.
__device__ __forceinline__ float4 no_columns(const float*) { return make_float4(-INFINITY, -INFINITY, -INFINITY, -INFINITY); }
__device__ __forceinline__ uint4 no_columns(const __nv_bfloat16*) { return make_uint4(0xff80ff80u, 0xff80ff80u, 0xff80ff80u, 0xff80ff80u); }
__device__ __forceinline__ uint4 no_columns(const __half*) { return make_uint4(0xfc00fc00u, 0xfc00fc00u, 0xfc00fc00u, 0xfc00fc00u); }

template <Access A, class T>
__device__ __forceinline__ Packed16<T> load_packed(const T* slice, int32_t i) {
  return load_vector<A>(reinterpret_cast<const Packed16<T>*>(slice) + i);
}

// Reads a thread's tile that begins at vector `first`; load(i) reads a vector. Vectors from `end` on are -inf.
template <class T, class Load>
__device__ __forceinline__ Tile<T> load_tile(int32_t first, int32_t end, int32_t threads, Load load) {
  Tile<T> tile;
#pragma unroll
  for (int k = 0; k < Tile<T>::kVectors; k++) {
    const int32_t i = first + k * threads;
    tile.vectors[k] = i < end ? load(i) : no_columns(static_cast<const T*>(nullptr));
  }
  return tile;
}

// Calls step(tile, i) for this thread's tiles of a slice in ascending order; i is the first vector of the tile, and load(i) reads a vector.
// The next tile is loaded while one is processed.
template <class T, class Load, class Step>
__device__ __forceinline__ void for_tiles(int32_t vectors, int32_t threads, Load load, Step step) {
  int32_t i = thread_of_team();
  Tile<T> next = load_tile<T>(i, vectors, threads, load);
  while (i < vectors) {
    const Tile<T> tile = next;
    const int32_t current = i;
    i += Tile<T>::kVectors * threads;
    next = load_tile<T>(i, vectors, threads, load);
    step(tile, current);
  }
}

// ---- the transform of a logit -----------------------------------------------------------------------------------------------------------

struct TransformedLogit {
  float z, slope;  // slope: dz / d logit
};

// No transform.
struct Plain {
  static constexpr bool kTransforms = false;
  template <class Params>
  __device__ explicit Plain(const Params&) {}
  template <int N>
  __device__ __forceinline__ Vec<N> operator()(const Vec<N>& logits, int64_t) const {
    return logits;
  }
};

// cap tanh(scale (x + bias) / cap), or scale (x + bias), computed in registers wherever a logit is read. __fmul_rn and __fadd_rn keep the
// compiler from fusing operations, so that z has the same bits wherever it is computed. tanhf has an error of at most 2 ulp. The hardware
// instruction for tanh has an error of 2^-11, which is 0.01 nat at a cap of 30.
struct Transformed {
  static constexpr bool kTransforms = true;
  const float* bias;
  int64_t vocabulary;
  float scale, cap, over_cap;

  template <class Params>
  __device__ explicit Transformed(const Params& x)
      : bias(x.transform.bias),
        vocabulary(x.vocabulary),
        scale(x.transform.scale),
        cap(x.transform.cap),
        over_cap(x.transform.cap == 0 ? 0.0f : 1.0f / x.transform.cap) {}

  // The bias of columns from `column` on: a whole vector, or one. 0 beyond the vocabulary.
  template <int N>
  __device__ __forceinline__ Vec<N> bias_of(int64_t column) const {
    if (bias != nullptr && column + N <= vocabulary) return load<N>(bias + column);
    return Vec<N>{};
  }

  __device__ __forceinline__ TransformedLogit apply(float logit, float bias_of_logit) const {
    const float scaled = __fmul_rn(scale, __fadd_rn(logit, bias_of_logit));
    if (cap == 0) return {scaled, scale};
    const float t = tanhf(__fmul_rn(scaled, over_cap));
    const float slope = __fmul_rn(__fadd_rn(1.0f, -t), __fadd_rn(1.0f, t));
    return {scaled == -INFINITY ? scaled : __fmul_rn(cap, t), __fmul_rn(scale, slope)};
  }

  template <int N>
  __device__ __forceinline__ Vec<N> operator()(Vec<N> logits, int64_t column) const {
    const Vec<N> biases = bias_of<N>(column);
#pragma unroll
    for (int k = 0; k < N; k++) logits[k] = apply(logits[k], biases[k]).z;
    return logits;
  }
};

// The transform of one logit of a column, as it is stored.
template <class L, class T>
__device__ __forceinline__ float transform_stored(const L& transform, const T& stored, int64_t column) {
  return transform(Vec<1>{{load_one(&stored)}}, column)[0];
}

template <class L, class T>
__device__ __forceinline__ float transform_one(const L& transform, const T* row, int64_t column) {
  return transform_stored(transform, row[column], column);
}

// True for a row that is masked or whose target is beyond the vocabulary; `value` is then the value of all its results.
__device__ __forceinline__ bool is_not_read(int32_t target, int64_t vocabulary, float& value) {
  value = target < 0 ? 0.0f : NAN;
  return target < 0 || target >= vocabulary;
}

// ---- dtypes and transforms --------------------------------------------------------------------------------------------------------------

template <class T>
struct Named {
  using Type = T;
};

// Calls launch(Named<T>) with the type of a dpo4j_dtype.
template <class Launch>
int with_stored(int32_t dtype, Launch launch) {
  if (dtype == DPO4J_BF16) return launch(Named<__nv_bfloat16>{});
  if (dtype == DPO4J_F16) return launch(Named<__half>{});
  return launch(Named<float>{});
}

// Calls launch(Named<L>) with the transform of logits.
template <class Launch>
int with_transform(const dpo4j_logit_transform& transform, Launch launch) {
  return is_identity(transform) ? launch(Named<Plain>{}) : launch(Named<Transformed>{});
}

}  // namespace dpo4j::cuda::token_logprob
