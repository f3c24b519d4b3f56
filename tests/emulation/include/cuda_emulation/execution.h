// What a running kernel asks of the engine: which thread it is, and to meet the others of its block or warp.
#pragma once

#include <stddef.h>
#include <string.h>

#include <type_traits>

#include "types.h"

// One fiber at a time runs on an operating system thread, so its coordinates are ordinary variables, set whenever another fiber takes over.
// __thread with the initial-exec model makes reading one a load; thread_local would make it a call.
#define DPO4J_EMULATION_LOCAL extern __thread __attribute__((tls_model("initial-exec"), visibility("hidden")))
DPO4J_EMULATION_LOCAL uint3 threadIdx;
DPO4J_EMULATION_LOCAL uint3 blockIdx;
DPO4J_EMULATION_LOCAL uint3 blockDim;
DPO4J_EMULATION_LOCAL uint3 gridDim;
#undef DPO4J_EMULATION_LOCAL

constexpr int warpSize = 32;

namespace cuda_emulation {

// Says what the kernel did wrong, in which block and thread, and aborts.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

int lane();
unsigned live_lanes();  // lanes of this warp that have not exited

// A value of up to 16 bytes on its way between lanes.
struct Word {
  alignas(16) unsigned char bytes[16];
};

struct Exchange {
  Word values[warpSize];
};

// Waits until every lane of `mask` has called with the same mask and operation, and returns what each brought. Valid until the calling lane
// takes part in another exchange with this mask. As on a GPU, an exchange orders no memory accesses; order_warp does.
const Exchange& exchange(unsigned mask, const Word& mine, const char* operation);
void order_warp(unsigned mask);

enum class Vote { kNone, kCount, kAnd, kOr };

// Waits until every thread of the block that has not exited has called, and returns the vote on their predicates.
int barrier(Vote vote, bool predicate, const char* operation);

// Remembers that this thread has fenced: from here on its atomics order the memory accesses around them.
void fence();
bool has_fenced();

// The block's array behind one DPO4J_SHARED, filled with 0xFF when the block first comes to it.
void* shared_array(const void* tag, size_t bytes, size_t alignment);
void* dynamic_shared();

// The cluster: which of its blocks this is, how many it has, a barrier of all their threads, and where something in this block's shared
// memory is in another's.
unsigned cluster_rank();
unsigned cluster_size();
void cluster_barrier(const char* operation);
void* cluster_shared(const void* mine, unsigned rank);

template <class T>
Word to_word(T value) {
  static_assert(sizeof(T) <= sizeof(Word) && std::is_trivially_copyable<T>::value, "lanes exchange up to 16 bytes");
  Word word;
  memcpy(word.bytes, &value, sizeof value);
  return word;
}

template <class T>
T from_word(const Word& word) {
  T value;
  memcpy(&value, word.bytes, sizeof value);
  return value;
}

}  // namespace cuda_emulation
