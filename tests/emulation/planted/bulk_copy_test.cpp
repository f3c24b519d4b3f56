// Tests bulk copies to device memory (kernels/bulk_copy.cuh) on the emulation. Without arguments: checks that must hold. `bulk_copy_test FAULT` runs
// one kernel with a bug, which the emulation or a sanitizer must stop.
#include "bulk_copy.cuh"

#include <cmath>
#include <cstring>

#include "check.h"
#include "ordered_semaphore.cuh"
#include "wgmma.cuh"

namespace {

using namespace dpo4j::cuda;

constexpr int kThreads = 64, kPerThread = 4, kCount = kThreads * kPerThread;
constexpr uint32_t kBytes = kCount * sizeof(float);

LaunchContext context() {
  LaunchContext context{};
  CHECK(make_launch_context(&context, 0, nullptr) == cudaSuccess);
  return context;
}

enum Fault { kNoFence, kOverwritten, kNotWaitedFor, kMisaligned, kBeyondShared, kNoBarrier, kEndedTooEarly, kNeverEnded, kNone };
constexpr const char* kNames[] = {"no_fence",   "overwritten",     "not_waited_for", "misaligned", "beyond_shared",
                                  "no_barrier", "ended_too_early", "never_ended",    "none"};

// The block with ticket b stores (b = 0) or adds in[b][...] to `sums`, in its turn. `counters` are those of turns and tickets.
template <Fault FAULT>
__global__ void add(const float* in, float* sums, uint32_t* counters) {
  DPO4J_SHARED(float, values, [kCount]);
  DPO4J_SHARED(uint32_t, ticket, [1]);
  if (threadIdx.x == 0) *ticket = atomicAdd(&counters[1], 1u);
  __syncthreads();
  const uint32_t turn = *ticket;
  for (int i = 0; i < kPerThread; i++) values[threadIdx.x * kPerThread + i] = in[turn * kCount + threadIdx.x * kPerThread + i];
  if (FAULT != kNoFence) fence_async_proxy();
  if (FAULT != kNoBarrier) __syncthreads();
  if (threadIdx.x == kThreads - 1) {
    wait_for_turn(counters, turn);
    float* const from = values + (FAULT == kMisaligned ? 1 : FAULT == kBeyondShared ? 4 : 0);
    if (turn == 0) {
      bulk_store(sums, from, kBytes, evict_last_policy());
    } else {
      bulk_add(sums, from, kBytes, evict_last_policy());
    }
    bulk_commit();
    if (FAULT == kOverwritten) values[0] = 77;
    bulk_wait_read();
    values[0] = 99;  // has been read
    if (FAULT == kEndedTooEarly) end_turn(counters, turn);
    if (FAULT != kNotWaitedFor) bulk_wait();
    if (FAULT != kEndedTooEarly && FAULT != kNeverEnded) end_turn(counters, turn);
  }
}

template <Fault FAULT>
bool sums_are_right() {
  constexpr int kBlocks = 3;
  auto* in = device<float>(kBlocks * kCount);
  auto* sums = device<float>(kCount);
  auto* counters = device<uint32_t>(2);
  counters[0] = counters[1] = 0;
  for (int i = 0; i < kBlocks * kCount; i++) in[i] = static_cast<float>(i % 37) / 3;
  // Subnormal numbers become 0 in an addition and stay in a store.
  in[1] = 0x1p-127f, in[kCount + 1] = 0, in[2 * kCount + 1] = 0x1p-120f;
  in[2] = -0x1p-126f, in[kCount + 2] = 0x1.8p-126f, in[2 * kCount + 2] = 0;
  CHECK(launch(context(), add<FAULT>, kBlocks, kThreads, 0, in, sums, counters) == cudaSuccess);
  bool right = counters[0] == kBlocks && sums[1] == 0x1p-120f && sums[2] == 0 && !std::signbit(sums[2]);
  for (int i = 3; i < kCount; i++) right &= sums[i] == in[i] + in[kCount + i] + in[2 * kCount + i];
  for (void* address : {static_cast<void*>(in), static_cast<void*>(sums), static_cast<void*>(counters)}) cudaFree(address);
  return right;
}

template <int FAULT = 0>
int run_fault(const char* name) {
  if constexpr (FAULT <= kNone) {
    if (strcmp(name, kNames[FAULT]) != 0) return run_fault<FAULT + 1>(name);
    CHECK(sums_are_right<static_cast<Fault>(FAULT)>());
    return failures;
  } else {
    printf("no fault is called %s\n", name);
    return 2;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return run_fault(argv[1]);
  CHECK(sums_are_right<kNone>());
  return failures == 0 ? 0 : 1;
}
