// What running kernels call in the engine: the coordinates of a thread, and the collectives of a warp, block or cluster.
#pragma once

#include <stddef.h>
#include <string.h>

#include <type_traits>

#include "types.h"

// An operating system thread runs one fiber at a time. So the coordinates are thread-local variables, which are set when another fiber
// continues. With __thread and the initial-exec model, reading one is a load; with thread_local it would be a call.
#define DPO4J_EMULATION_LOCAL extern __thread __attribute__((tls_model("initial-exec"), visibility("hidden")))
DPO4J_EMULATION_LOCAL uint3 threadIdx;
DPO4J_EMULATION_LOCAL uint3 blockIdx;
DPO4J_EMULATION_LOCAL uint3 blockDim;
DPO4J_EMULATION_LOCAL uint3 gridDim;
#undef DPO4J_EMULATION_LOCAL

constexpr int warpSize = 32;

namespace cuda_emulation {

// Prints what the kernel did wrong, in which block and thread, and aborts.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

int lane();
unsigned live_lanes();  // lanes of this warp that have not exited

// A value of up to 16 bytes that lanes exchange.
struct LaneValue {
  alignas(16) unsigned char bytes[16];
};

struct Exchange {
  LaneValue values[warpSize];
};

// Waits until every lane of `mask` has called it with the same mask and operation, and returns the values of all lanes. They are valid
// until the calling lane takes part in another exchange with this mask. As on a GPU, an exchange does not order memory accesses; order_warp
// does.
const Exchange& exchange(unsigned mask, const LaneValue& mine, const char* operation);
void order_warp(unsigned mask);

enum class Vote { kNone, kCount, kAnd, kOr };

// Waits until every thread of the block that has not exited has called it, and returns the vote on their predicates.
int barrier(Vote vote, bool predicate, const char* operation);

// A step of a loop that waits for a word that another block writes. If no block will write it, the step reports a deadlock.
void wait_for_word();

// Records that this thread has executed a fence: from now on its atomics order the memory accesses around them.
void fence();
bool has_fenced();

// The block's array of one DPO4J_SHARED. It is filled with 0xFF when a thread of the block first asks for it.
void* shared_array(const void* tag, size_t bytes, size_t alignment);
void* dynamic_shared();

// The cluster: the rank of this block, the number of blocks, a barrier of all their threads, its two halves (an arrival that releases orders
// the memory accesses before it), and the counterpart of an address of this block's shared memory in another block.
unsigned cluster_rank();
unsigned cluster_size();
void cluster_barrier(const char* operation);
void cluster_arrive(bool releases);
void cluster_wait(const char* operation);
void* cluster_shared(const void* mine, unsigned rank);

template <class T>
LaneValue to_lane_value(T value) {
  static_assert(sizeof(T) <= sizeof(LaneValue) && std::is_trivially_copyable<T>::value, "lanes exchange up to 16 bytes");
  LaneValue word;
  memcpy(word.bytes, &value, sizeof value);
  return word;
}

template <class T>
T from_lane_value(const LaneValue& word) {
  T value;
  memcpy(&value, word.bytes, sizeof value);
  return value;
}

}  // namespace cuda_emulation
