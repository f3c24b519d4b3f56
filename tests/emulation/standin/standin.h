// Shared by the stand-in libraries, and the functions that tests call.
#pragma once

#include <stddef.h>

#include <functional>

#include "../include/cuda_emulation/runtime_api.h"

#define DPO4J_STANDIN extern "C" __attribute__((visibility("default")))

// The number of objects that were made through the stand-ins and not destroyed yet: device and pinned memory; streams, events, library
// handles and descriptors.
DPO4J_STANDIN size_t dpo4j_standin_live_allocations();
DPO4J_STANDIN size_t dpo4j_standin_live_handles();

// The calls that are counted, for tests that limit how often something may happen. StandIn.java has the same order.
enum dpo4j_standin_event {
  kWaits,        // the host waits for the device: synchronisation, cudaMemcpy, copies to or from memory that is not pinned, cudaFree
  kAllocations,  // of device or pinned memory
  kLaunches,     // of single kernels
  kCaptures,     // of graphs
  kGraphLaunches,
  kHeuristics,     // choices of an algorithm by cuBLASLt
  kUnorderedSums,  // such choices that allow parts of a sum to be added in order of arrival, or in 16 bits
  kTensorMaps,     // encodings of tensor maps
  kOccupancies,    // questions to the occupancy calculator
  kInvariants      // choices of an algorithm by cuBLASLt that was told to keep rows independent of each other
};
DPO4J_STANDIN void dpo4j_standin_count(int event);

// The version of cuBLASLt that is played, as cublasLtGetVersion counts: 131000 unless a test sets another.
DPO4J_STANDIN size_t dpo4j_standin_cublaslt_version();

// Work on a stream that is being captured is stored in the graph and runs when the graph is launched.
DPO4J_STANDIN bool dpo4j_standin_is_stream(cudaStream_t stream);
// Whether the stream belongs to the thread's current device, as a launch requires.
DPO4J_STANDIN bool dpo4j_standin_is_of_current_device(cudaStream_t stream);
DPO4J_STANDIN bool dpo4j_standin_is_capturing(cudaStream_t stream);
DPO4J_STANDIN void dpo4j_standin_capture(cudaStream_t stream, std::function<cudaError_t()> work);

// Makes `error` the one that cudaGetLastError returns next, and returns it.
DPO4J_STANDIN cudaError_t dpo4j_standin_report(cudaError_t error);

// Whether [address, address + bytes) is device memory. If not, it prints that, and every later call fails with cudaErrorIllegalAddress.
DPO4J_STANDIN bool dpo4j_standin_touch(const void* address, size_t bytes, const char* what);

// A handle is the address of a small object. It is live from add to remove.
DPO4J_STANDIN void dpo4j_standin_add_handle(const void* handle, const char* kind);
DPO4J_STANDIN bool dpo4j_standin_has_handle(const void* handle, const char* kind);
DPO4J_STANDIN bool dpo4j_standin_remove_handle(const void* handle, const char* kind);
