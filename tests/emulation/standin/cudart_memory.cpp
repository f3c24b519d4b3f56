// The stand-in libcudart: memory. Device memory is host memory that only these calls and kernels may access. It starts as 0xFF (NaN). Every
// copy is checked against the allocations. Allocations have their exact size, so that AddressSanitizer reports the first byte beyond.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <map>
#include <mutex>

#include "cudart.h"

namespace {

constexpr size_t kAlignment = 256;

enum class MemoryKind { kDevice, kPinned };

struct Allocation {
  size_t bytes;
  MemoryKind kind;
  int device;  // the current device of the thread that allocated it
};

struct Memory {
  std::mutex mutex;
  std::map<const char*, Allocation> allocations;
  size_t device_bytes = 0;

  // The allocation that contains this address.
  const Allocation* find(const void* address, const char** start) const {
    auto after = allocations.upper_bound(static_cast<const char*>(address));
    if (after == allocations.begin()) return nullptr;
    --after;
    *start = after->first;
    return static_cast<const char*>(address) < after->first + after->second.bytes ? &after->second : nullptr;
  }

  bool is_device(const void* address, size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex);
    const char* start;
    const Allocation* allocation = find(address, &start);
    if (allocation == nullptr || allocation->kind != MemoryKind::kDevice) return false;
    return bytes <= static_cast<size_t>(start + allocation->bytes - static_cast<const char*>(address));
  }

  // Whether a copy from or to it is asynchronous.
  bool is_pinned_or_device(const void* address) {
    std::lock_guard<std::mutex> lock(mutex);
    const char* start;
    return find(address, &start) != nullptr;
  }

  bool touches_device(const void* address) { return is_device(address, 0); }
};

Memory& memory() {
  static auto* const memory = new Memory;  // never destroyed: handles may be closed during exit
  return *memory;
}

cudaError_t allocate(void** address, size_t bytes, MemoryKind kind) {
  if (address == nullptr) return cudaErrorInvalidValue;
  *address = nullptr;
  if (bytes == 0) return cudaSuccess;
  dpo4j_standin_count(kAllocations);
  std::lock_guard<std::mutex> lock(memory().mutex);
  if (kind == MemoryKind::kDevice && bytes > cudart::device_memory_bytes() - memory().device_bytes) return cudaErrorMemoryAllocation;
  void* block;
  if (posix_memalign(&block, kAlignment, bytes) != 0) return cudaErrorMemoryAllocation;
  memset(block, 0xFF, bytes);
  memory().allocations[static_cast<char*>(block)] = {bytes, kind, cudart::current_device()};
  if (kind == MemoryKind::kDevice) memory().device_bytes += bytes;
  *address = block;
  return cudaSuccess;
}

cudaError_t release(void* address, MemoryKind kind) {
  if (address == nullptr) return cudaSuccess;
  std::lock_guard<std::mutex> lock(memory().mutex);
  const auto found = memory().allocations.find(static_cast<char*>(address));
  if (found == memory().allocations.end() || found->second.kind != kind) return cudaErrorInvalidValue;
  if (kind == MemoryKind::kDevice) memory().device_bytes -= found->second.bytes;
  memset(address, 0xFF, found->second.bytes);  // later reads give NaN
  memory().allocations.erase(found);
  free(address);
  return cudaSuccess;
}

// A copy may access only what its kind names: on a device side, memory within an allocation; on a host side, no device memory.
cudaError_t check_copy(const void* to, const void* from, size_t bytes, int kind) {
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
  if (bytes == 0) return cudaSuccess;
  if (to == nullptr || from == nullptr) return cudaErrorInvalidValue;
  const bool to_is_device = memory().touches_device(to), from_is_device = memory().touches_device(from);
  if (kind != cudaMemcpyDefault) {
    const bool to_should = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_should = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (to_is_device != to_should || from_is_device != from_should) return cudaErrorInvalidValue;
  }
  if (to_is_device && !memory().is_device(to, bytes)) return cudaErrorInvalidValue;
  if (from_is_device && !memory().is_device(from, bytes)) return cudaErrorInvalidValue;
  return cudaSuccess;
}

cudaError_t copy(void* to, const void* from, size_t bytes, int kind) {
  const cudaError_t refused = check_copy(to, from, bytes, kind);
  if (refused != cudaSuccess) return refused;
  if (bytes != 0) memmove(to, from, bytes);
  return cudaSuccess;
}

cudaError_t set(void* address, int value, size_t bytes) {
  if (bytes == 0) return cudaSuccess;
  if (!memory().is_device(address, bytes)) return cudaErrorInvalidValue;
  memset(address, value, bytes);
  return cudaSuccess;
}

// The same now, or in the graph if the stream is being captured. A captured copy is checked now and when the graph runs.
cudaError_t copy_on(cudaStream_t stream, void* to, const void* from, size_t bytes, int kind) {
  if (!dpo4j_standin_is_capturing(stream)) return copy(to, from, bytes, kind);
  const cudaError_t refused = check_copy(to, from, bytes, kind);
  if (refused != cudaSuccess) return refused;
  if (kind != cudaMemcpyDeviceToDevice) return cudart::spoils_capture() ? cudaErrorStreamCaptureUnsupported : cudaErrorIllegalState;
  dpo4j_standin_capture(stream, [=] { return copy(to, from, bytes, kind); });
  return cudaSuccess;
}

cudaError_t set_on(cudaStream_t stream, void* address, int value, size_t bytes) {
  if (!dpo4j_standin_is_capturing(stream)) return set(address, value, bytes);
  if (bytes != 0 && !memory().is_device(address, bytes)) return cudaErrorInvalidValue;
  dpo4j_standin_capture(stream, [=] { return set(address, value, bytes); });
  return cudaSuccess;
}

}  // namespace

// Called by org.dpo4j.conformance.StandIn: the device to which this memory belongs, or -1.
DPO4J_STANDIN int32_t Java_org_dpo4j_conformance_StandIn_deviceOf(void*, void*, int64_t address) {
  std::lock_guard<std::mutex> lock(memory().mutex);
  const char* start;
  const Allocation* allocation = memory().find(reinterpret_cast<const void*>(address), &start);
  return allocation == nullptr || allocation->kind != MemoryKind::kDevice ? -1 : allocation->device;
}

size_t dpo4j_standin_live_allocations() {
  std::lock_guard<std::mutex> lock(memory().mutex);
  return memory().allocations.size();
}

bool dpo4j_standin_touch(const void* address, size_t bytes, const char* what) {
  if (bytes == 0 || memory().is_device(address, bytes)) return true;
  fprintf(stderr, "CUDA stand-in: %s: %zu bytes at %p are not device memory\n", what, bytes, address);
  cudart::fail_for_good(cudaErrorIllegalAddress);
  return false;
}

DPO4J_STANDIN cudaError_t cudaMalloc(void** address, size_t bytes) {
  return CALL_OUTSIDE_CAPTURE(allocate(address, bytes, MemoryKind::kDevice));
}
DPO4J_STANDIN cudaError_t cudaFree(void* address) {
  dpo4j_standin_count(kWaits);
  return CALL_OUTSIDE_CAPTURE(release(address, MemoryKind::kDevice));
}
DPO4J_STANDIN cudaError_t cudaMallocAsync(void** address, size_t bytes, cudaStream_t stream) {
  return CALL_ON_OUTSIDE_CAPTURE(stream, allocate(address, bytes, MemoryKind::kDevice));
}
DPO4J_STANDIN cudaError_t cudaFreeAsync(void* address, cudaStream_t stream) {
  return CALL_ON_OUTSIDE_CAPTURE(stream, release(address, MemoryKind::kDevice));
}
DPO4J_STANDIN cudaError_t cudaMallocHost(void** address, size_t bytes) {
  return CALL_OUTSIDE_CAPTURE(allocate(address, bytes, MemoryKind::kPinned));
}
DPO4J_STANDIN cudaError_t cudaHostAlloc(void** address, size_t bytes, unsigned) {
  return CALL_OUTSIDE_CAPTURE(allocate(address, bytes, MemoryKind::kPinned));
}
DPO4J_STANDIN cudaError_t cudaFreeHost(void* address) { return CALL_OUTSIDE_CAPTURE(release(address, MemoryKind::kPinned)); }

DPO4J_STANDIN cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  if (free == nullptr || total == nullptr) return dpo4j_standin_report(cudaErrorInvalidValue);
  std::lock_guard<std::mutex> lock(memory().mutex);
  *total = cudart::device_memory_bytes();
  *free = *total - memory().device_bytes;
  return cudaSuccess;
}

DPO4J_STANDIN cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  dpo4j_standin_count(kWaits);
  return CALL_OUTSIDE_CAPTURE(copy(to, from, bytes, kind));
}
DPO4J_STANDIN cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  if (!memory().is_pinned_or_device(to) || !memory().is_pinned_or_device(from)) dpo4j_standin_count(kWaits);
  return CALL_ON(stream, copy_on(stream, to, from, bytes, kind));
}
DPO4J_STANDIN cudaError_t cudaMemset(void* address, int value, size_t bytes) { return CALL_OUTSIDE_CAPTURE(set(address, value, bytes)); }
DPO4J_STANDIN cudaError_t cudaMemsetAsync(void* address, int value, size_t bytes, cudaStream_t stream) {
  return CALL_ON(stream, set_on(stream, address, value, bytes));
}
