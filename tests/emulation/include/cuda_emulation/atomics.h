// Atomics and fences. An atomic operation alone does not order other accesses. Once the calling thread has executed a fence, its atomics
// release what it wrote before and acquire what others have released. So ThreadSanitizer accepts the "last block sums" pattern with its
// fence and reports it without.
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

// ld.acquire.gpu, st.release.gpu and red.release.gpu.add. A block may wait for an earlier block, which another worker runs; it never waits for a later one.
template <class T>
T load_acquire(const T* address) {
  return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}
template <class T>
void store_release(T* address, T value) {
  __atomic_store_n(address, value, __ATOMIC_RELEASE);
}
template <class T>
void add_release(T* address, T value) {
  __atomic_fetch_add(address, value, __ATOMIC_RELEASE);
}

}  // namespace cuda_emulation

inline void __nanosleep(unsigned) { cuda_emulation::wait_for_word(); }

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
