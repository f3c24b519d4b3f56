// What the stand-in libraries share, and what tests may ask of them.
#pragma once

#include <stddef.h>

#include <functional>

#include "../include/cuda_emulation/runtime_api.h"

#define DPO4J_STANDIN extern "C" __attribute__((visibility("default")))

// Objects made through the stand-ins and not yet destroyed: device and pinned memory; streams, events, library handles and descriptors.
DPO4J_STANDIN size_t dpo4j_standin_live_allocations();
DPO4J_STANDIN size_t dpo4j_standin_live_handles();

// What is counted of a program's calls, for tests that say how often something may happen: StandIn.java has the same order.
enum dpo4j_standin_event {
  kWaits,        // the host waits for the device: synchronisation, cudaMemcpy, copies to or from memory that is not pinned, cudaFree
  kAllocations,  // of device or pinned memory
  kLaunches,     // of kernels, one by one
  kCaptures,     // of graphs
  kGraphLaunches,
  kHeuristics,    // choices of an algorithm by cuBLASLt
  kUnorderedSums  // such choices that allow parts of a sum to be added in an order of arrival, or in 16 bits
};
DPO4J_STANDIN void dpo4j_standin_count(int event);

// Work that is queued on a stream that is captured is kept for the graph, and runs when that is launched.
DPO4J_STANDIN bool dpo4j_standin_is_stream(cudaStream_t stream);
// Whether the stream is of the thread's current device: kernels are launched on no other.
DPO4J_STANDIN bool dpo4j_standin_is_of_current_device(cudaStream_t stream);
DPO4J_STANDIN bool dpo4j_standin_is_capturing(cudaStream_t stream);
DPO4J_STANDIN void dpo4j_standin_capture(cudaStream_t stream, std::function<cudaError_t()> work);

// Makes `error` the one that cudaGetLastError returns next, and returns it.
DPO4J_STANDIN cudaError_t dpo4j_standin_report(cudaError_t error);

// Whether [address, address + bytes) is device memory. If not, says so and, as a device does, fails every later call with IllegalAddress.
DPO4J_STANDIN bool dpo4j_standin_touch(const void* address, size_t bytes, const char* what);

// Handles are addresses of small objects: live between add and remove.
DPO4J_STANDIN void dpo4j_standin_add_handle(const void* handle, const char* kind);
DPO4J_STANDIN bool dpo4j_standin_has_handle(const void* handle, const char* kind);
DPO4J_STANDIN bool dpo4j_standin_remove_handle(const void* handle, const char* kind);
