// Atomics and fences. An atomic alone orders nothing but itself; after a fence of the calling thread it publishes what the thread wrote
// before and acquires what others have published: the "last block sums up" pattern is clean under ThreadSanitizer with its fence, and
// reported without.
#pragma once

#include "execution.h"

inline void __threadfence() { cuda_emulation::fence(); }
inline void __threadfence_block() { cuda_emulation::fence(); }

namespace cuda_emulation {

template <class T, class Update>
T read_modify_write(T* address, Update update) {
  T before, after;
  __atomic_load(address, &before, __ATOMIC_RELAXED);
  if (has_fenced()) {
    do after = update(before);
    while (!__atomic_compare_exchange(address, &before, &after, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
  } else {
    do after = update(before);
    while (!__atomic_compare_exchange(address, &before, &after, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  }
  return before;
}

}  // namespace cuda_emulation

template <class T>
T atomicAdd(T* address, T value) {
  return cuda_emulation::read_modify_write(address, [=](T before) { return before + value; });
}
template <class T>
T atomicMax(T* address, T value) {
  return cuda_emulation::read_modify_write(address, [=](T before) { return before > value ? before : value; });
}
template <class T>
T atomicMin(T* address, T value) {
  return cuda_emulation::read_modify_write(address, [=](T before) { return before < value ? before : value; });
}
template <class T>
T atomicExch(T* address, T value) {
  return cuda_emulation::read_modify_write(address, [=](T) { return value; });
}
template <class T>
T atomicCAS(T* address, T expected, T value) {
  return cuda_emulation::read_modify_write(address, [=](T before) { return before == expected ? value : before; });
}
