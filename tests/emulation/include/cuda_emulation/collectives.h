// Barriers, shuffles, votes and warp reductions.
#pragma once

#include "execution.h"

inline void __syncthreads() { cuda_emulation::barrier(cuda_emulation::Vote::kNone, false, "__syncthreads"); }
inline int __syncthreads_count(int predicate) {
  return cuda_emulation::barrier(cuda_emulation::Vote::kCount, predicate != 0, "__syncthreads_count");
}
inline int __syncthreads_and(int predicate) {
  return cuda_emulation::barrier(cuda_emulation::Vote::kAnd, predicate != 0, "__syncthreads_and");
}
inline int __syncthreads_or(int predicate) {
  return cuda_emulation::barrier(cuda_emulation::Vote::kOr, predicate != 0, "__syncthreads_or");
}
inline void __syncwarp(unsigned mask = 0xffffffffu) { cuda_emulation::order_warp(mask); }
inline unsigned __activemask() { return cuda_emulation::live_lanes(); }

namespace cuda_emulation {

// A shuffle from lane `source`. If `source` is outside [first, last), the result is the lane's own value.
template <class T>
T shuffle(unsigned mask, T value, int source, int first, int last, const char* operation) {
  static_assert(std::is_arithmetic<T>::value, "CUDA shuffles numbers");
  const Exchange& all = exchange(mask, to_lane_value(value), operation);
  if (source < first || source >= last) return value;
  if (!(mask >> source & 1)) fail("%s reads lane %d, which is not in its mask %08x", operation, source, mask);
  return from_lane_value<T>(all.values[source]);
}

inline int segment(int width) { return lane() & ~(width - 1); }

template <class T, class Combine>
T reduce(unsigned mask, T value, const char* operation, Combine combine) {
  const Exchange& all = exchange(mask, to_lane_value(value), operation);
  T result = from_lane_value<T>(all.values[__builtin_ctz(mask)]);
  for (unsigned rest = mask & (mask - 1); rest != 0; rest &= rest - 1)
    result = combine(result, from_lane_value<T>(all.values[__builtin_ctz(rest)]));
  return result;
}

}  // namespace cuda_emulation

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize) {
  const int first = cuda_emulation::segment(width);
  return cuda_emulation::shuffle(mask, value, first + (source & (width - 1)), first, first + width, "__shfl_sync");
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int distance, int width = warpSize) {
  // Lower segments may be read, as on a GPU; higher ones may not.
  return cuda_emulation::shuffle(mask, value, cuda_emulation::lane() ^ distance, 0, cuda_emulation::segment(width) + width,
                                 "__shfl_xor_sync");
}

template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = warpSize) {
  const int first = cuda_emulation::segment(width);
  return cuda_emulation::shuffle(mask, value, cuda_emulation::lane() - static_cast<int>(distance), first, first + width, "__shfl_up_sync");
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = warpSize) {
  const int first = cuda_emulation::segment(width);
  return cuda_emulation::shuffle(mask, value, cuda_emulation::lane() + static_cast<int>(distance), first, first + width,
                                 "__shfl_down_sync");
}

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const unsigned vote = predicate != 0 ? 1u << cuda_emulation::lane() : 0;
  return cuda_emulation::reduce(mask, vote, "__ballot_sync", [](unsigned a, unsigned b) { return a | b; });
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }

// Integers only, as on the hardware.
inline unsigned __reduce_add_sync(unsigned mask, unsigned value) {
  return cuda_emulation::reduce(mask, value, "__reduce_add_sync", [](unsigned a, unsigned b) { return a + b; });
}
inline int __reduce_add_sync(unsigned mask, int value) { return static_cast<int>(__reduce_add_sync(mask, static_cast<unsigned>(value))); }
inline unsigned __reduce_max_sync(unsigned mask, unsigned value) {
  return cuda_emulation::reduce(mask, value, "__reduce_max_sync", [](unsigned a, unsigned b) { return a > b ? a : b; });
}
inline int __reduce_max_sync(unsigned mask, int value) {
  return cuda_emulation::reduce(mask, value, "__reduce_max_sync", [](int a, int b) { return a > b ? a : b; });
}
inline unsigned __reduce_min_sync(unsigned mask, unsigned value) {
  return cuda_emulation::reduce(mask, value, "__reduce_min_sync", [](unsigned a, unsigned b) { return a < b ? a : b; });
}
inline int __reduce_min_sync(unsigned mask, int value) {
  return cuda_emulation::reduce(mask, value, "__reduce_min_sync", [](int a, int b) { return a < b ? a : b; });
}
