// The stand-in libcudart: one device, or two equal ones for tests, with properties, errors, streams and events. Calls return after their
// work is done, so streams are always idle.
#include "cudart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>

namespace {

constexpr int kVersion = 13010;
constexpr int kMultiprocessors = 4;  // few, so that kernels with a grid of this size loop
constexpr int kSharedBytes = 48 << 10;
constexpr int kReservedSharedBytes = 1 << 10;  // of an SM, for each block

// The properties by which kernels are chosen.
struct Device {
  const char* name;
  int capability_major, capability_minor, sm_shared_bytes, l2_bytes, cluster_launch;
};
constexpr Device kDevices[] = {
    {"h100", 9, 0, 228 << 10, 50 << 20, 1},
    {"a100", 8, 0, 164 << 10, 40 << 20, 0},
    {"l40", 8, 9, 100 << 10, 96 << 20, 0},
};

// The device that DPO4J_STANDIN_DEVICE names, or the first.
const Device& device() {
  static const Device& chosen = []() -> const Device& {
    const char* name = getenv("DPO4J_STANDIN_DEVICE");
    if (name == nullptr) return kDevices[0];
    for (const Device& device : kDevices) {
      if (strcmp(device.name, name) == 0) return device;
    }
    fprintf(stderr, "CUDA stand-in: DPO4J_STANDIN_DEVICE is '%s': say h100, a100 or l40\n", name);
    abort();
  }();
  return chosen;
}

constexpr int kMaxDevices = 2;
std::atomic<int> devices{1};
std::atomic<int> sm_shared_bytes{0};  // instead of the device's, if not 0
thread_local int current = 0;
thread_local bool contexts[kMaxDevices] = {};

std::atomic<cudaError_t> failed{cudaSuccess};
thread_local cudaError_t last_error = cudaSuccess;

struct Handles {
  std::mutex mutex;
  std::map<const void*, std::string> kinds;
};

Handles& handles() {
  static auto* const handles = new Handles;  // never destroyed: handles may be closed during exit
  return *handles;
}

struct Words {
  cudaError_t error;
  const char *name, *text;
};

constexpr Words kWords[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {cudaErrorInvalidMemcpyDirection, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorIllegalState, "cudaErrorIllegalState", "the operation cannot be performed in the present state"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated", "operation failed due to a previous error during capture"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorNotSupported, "cudaErrorNotSupported", "operation not supported"},
    {cudaErrorInvalidClusterSize, "cudaErrorInvalidClusterSize", "cluster misconfiguration"},
};

const Words& words(cudaError_t error) {
  static constexpr Words kUnknown{cudaSuccess, "unrecognized error code", "unrecognized error code"};
  for (const Words& words : kWords) {
    if (words.error == error) return words;
  }
  return kUnknown;
}

int shared_bytes_of_sm() { return sm_shared_bytes != 0 ? sm_shared_bytes.load() : device().sm_shared_bytes; }

int attribute(cudaDeviceAttr attribute) {
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      return 1024;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return kSharedBytes;
    case cudaDevAttrWarpSize:
      return 32;
    case cudaDevAttrMultiProcessorCount:
      return kMultiprocessors;
    case cudaDevAttrL2CacheSize:
      return device().l2_bytes;
    case cudaDevAttrComputeCapabilityMajor:
      return device().capability_major;
    case cudaDevAttrComputeCapabilityMinor:
      return device().capability_minor;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      return shared_bytes_of_sm();
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return shared_bytes_of_sm() - kReservedSharedBytes;
    case cudaDevAttrClusterLaunch:
      return device().cluster_launch;
  }
  fprintf(stderr, "CUDA stand-in: device attribute %d is not emulated\n", static_cast<int>(attribute));
  return -1;
}

// If DPO4J_STANDIN_REPORT_LEAKS is set, reports at the end of the process what was not freed.
__attribute__((destructor)) void report_leaks() {
  const size_t allocations = dpo4j_standin_live_allocations(), live_handles = dpo4j_standin_live_handles();
  if (getenv("DPO4J_STANDIN_REPORT_LEAKS") == nullptr || allocations + live_handles == 0) return;
  fprintf(stderr, "CUDA stand-in: leaked %zu allocations and %zu handles\n", allocations, live_handles);
}

}  // namespace

namespace cudart {

size_t device_memory_bytes() {
  static const size_t bytes = [] {
    const char* mib = getenv("DPO4J_STANDIN_MEMORY_MIB");
    return (mib == nullptr ? size_t{4096} : strtoull(mib, nullptr, 10)) << 20;
  }();
  return bytes;
}

void fail_for_good(cudaError_t error) { failed = error; }
cudaError_t failure() { return failed; }

int current_device() { return current; }
bool has_context() { return contexts[current]; }

}  // namespace cudart

struct CUstream_st {
  int device;
};

// 0, 1 and 2 are the default streams of the current device.
static bool is_default_stream(cudaStream_t stream) { return reinterpret_cast<uintptr_t>(stream) <= 2; }

bool dpo4j_standin_is_stream(cudaStream_t stream) { return is_default_stream(stream) || dpo4j_standin_has_handle(stream, "stream"); }

bool dpo4j_standin_is_of_current_device(cudaStream_t stream) {
  return is_default_stream(stream) || (dpo4j_standin_has_handle(stream, "stream") && stream->device == current);
}

// Called by org.dpo4j.conformance.StandIn; the first two pointers are JNI's. Unlike a device, the stand-in recovers from a failure: by
// `fail` with 0.
DPO4J_STANDIN void Java_org_dpo4j_conformance_StandIn_setDevices(void*, void*, int32_t count) {
  if (count < 1 || count > kMaxDevices) abort();
  devices = count;
}
DPO4J_STANDIN void Java_org_dpo4j_conformance_StandIn_setSharedMemoryOfSm(void*, void*, int32_t bytes) { sm_shared_bytes = bytes; }
DPO4J_STANDIN void Java_org_dpo4j_conformance_StandIn_fail(void*, void*, int32_t error) {
  cudart::fail_for_good(static_cast<cudaError_t>(error));
}

cudaError_t dpo4j_standin_report(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) last_error = error;
  return error;
}

size_t dpo4j_standin_live_handles() {
  std::lock_guard<std::mutex> lock(handles().mutex);
  return handles().kinds.size();
}

void dpo4j_standin_add_handle(const void* handle, const char* kind) {
  std::lock_guard<std::mutex> lock(handles().mutex);
  handles().kinds[handle] = kind;
}

bool dpo4j_standin_has_handle(const void* handle, const char* kind) {
  std::lock_guard<std::mutex> lock(handles().mutex);
  const auto found = handles().kinds.find(handle);
  return found != handles().kinds.end() && found->second == kind;
}

bool dpo4j_standin_remove_handle(const void* handle, const char* kind) {
  std::lock_guard<std::mutex> lock(handles().mutex);
  const auto found = handles().kinds.find(handle);
  if (found == handles().kinds.end() || found->second != kind) return false;
  handles().kinds.erase(found);
  return true;
}

// ---- errors -----------------------------------------------------------------------------------------------------------------------------

DPO4J_STANDIN const char* cudaGetErrorName(cudaError_t error) { return words(error).name; }
DPO4J_STANDIN const char* cudaGetErrorString(cudaError_t error) { return words(error).text; }
DPO4J_STANDIN cudaError_t cudaPeekAtLastError() { return cudart::failure() != cudaSuccess ? cudart::failure() : last_error; }
DPO4J_STANDIN cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  last_error = cudaSuccess;
  return error;
}

// ---- the device
// ---------------------------------------------------------------------------------------------------------------------------

DPO4J_STANDIN cudaError_t cudaGetDeviceCount(int* count) {
  if (count == nullptr) return dpo4j_standin_report(cudaErrorInvalidValue);
  *count = devices;
  return cudaSuccess;
}

DPO4J_STANDIN cudaError_t cudaGetDevice(int* ordinal) {
  if (ordinal == nullptr) return dpo4j_standin_report(cudaErrorInvalidValue);
  *ordinal = current;
  return CALL(cudaSuccess);
}

DPO4J_STANDIN cudaError_t cudaSetDevice(int ordinal) {
  const cudaError_t error = CALL(ordinal >= 0 && ordinal < devices ? cudaSuccess : cudaErrorInvalidDevice);
  if (error == cudaSuccess) {
    current = ordinal;
    contexts[ordinal] = true;
  }
  return error;
}

DPO4J_STANDIN cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int ordinal) {
  if (properties == nullptr) return dpo4j_standin_report(cudaErrorInvalidValue);
  if (ordinal < 0 || ordinal >= devices) return dpo4j_standin_report(cudaErrorInvalidDevice);
  memset(properties, 0, sizeof *properties);
  strcpy(properties->name, "CUDA emulated on the CPU");
  properties->totalGlobalMem = cudart::device_memory_bytes();
  properties->sharedMemPerBlock = kSharedBytes;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->major = device().capability_major;
  properties->minor = device().capability_minor;
  properties->multiProcessorCount = kMultiprocessors;
  return CALL(cudaSuccess);
}

DPO4J_STANDIN cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int ordinal) {
  if (value == nullptr) return dpo4j_standin_report(cudaErrorInvalidValue);
  if (ordinal < 0 || ordinal >= devices) return dpo4j_standin_report(cudaErrorInvalidDevice);
  *value = attribute(which);
  return CALL(*value < 0 ? cudaErrorInvalidValue : cudaSuccess);
}

DPO4J_STANDIN cudaError_t cudaDriverGetVersion(int* version) {
  if (version == nullptr) return dpo4j_standin_report(cudaErrorInvalidValue);
  *version = kVersion;
  return cudaSuccess;
}

DPO4J_STANDIN cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }

DPO4J_STANDIN cudaError_t cudaDeviceSynchronize() {
  dpo4j_standin_count(kWaits);
  return CALL_OUTSIDE_CAPTURE(cudaSuccess);
}

// ---- streams
// ------------------------------------------------------------------------------------------------------------------------------

DPO4J_STANDIN cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  if (stream == nullptr || flags > cudaStreamNonBlocking) return dpo4j_standin_report(cudaErrorInvalidValue);
  *stream = new CUstream_st{current};
  dpo4j_standin_add_handle(*stream, "stream");
  return CALL(cudaSuccess);
}

DPO4J_STANDIN cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

DPO4J_STANDIN cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (!dpo4j_standin_remove_handle(stream, "stream")) return dpo4j_standin_report(cudaErrorInvalidResourceHandle);
  delete stream;
  return CALL(cudaSuccess);
}

DPO4J_STANDIN cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  dpo4j_standin_count(kWaits);
  return CALL_ON_OUTSIDE_CAPTURE(stream, cudaSuccess);
}
DPO4J_STANDIN cudaError_t cudaStreamQuery(cudaStream_t stream) { return CALL_ON_OUTSIDE_CAPTURE(stream, cudaSuccess); }

DPO4J_STANDIN cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return CALL_ON(stream, dpo4j_standin_has_handle(event, "event") ? cudaSuccess : cudaErrorInvalidResourceHandle);
}

// ---- events
// -------------------------------------------------------------------------------------------------------------------------------

struct CUevent_st {
  int device;
  bool timed, recorded;
  std::chrono::steady_clock::time_point time;
};

DPO4J_STANDIN cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  if (event == nullptr || flags > (cudaEventBlockingSync | cudaEventDisableTiming)) return dpo4j_standin_report(cudaErrorInvalidValue);
  *event = new CUevent_st{current, (flags & cudaEventDisableTiming) == 0, false, {}};
  dpo4j_standin_add_handle(*event, "event");
  return CALL(cudaSuccess);
}

DPO4J_STANDIN cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

DPO4J_STANDIN cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (!dpo4j_standin_remove_handle(event, "event")) return dpo4j_standin_report(cudaErrorInvalidResourceHandle);
  delete event;
  return CALL(cudaSuccess);
}

DPO4J_STANDIN cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (!dpo4j_standin_has_handle(event, "event")) return dpo4j_standin_report(cudaErrorInvalidResourceHandle);
  const int device = dpo4j_standin_has_handle(stream, "stream") ? stream->device : current;
  if (event->device != device) return dpo4j_standin_report(cudaErrorInvalidResourceHandle);  // events and streams of two devices
  event->recorded = true;
  event->time = std::chrono::steady_clock::now();
  return CALL_ON(stream, cudaSuccess);
}

DPO4J_STANDIN cudaError_t cudaEventQuery(cudaEvent_t event) {
  return CALL_OUTSIDE_CAPTURE(dpo4j_standin_has_handle(event, "event") ? cudaSuccess : cudaErrorInvalidResourceHandle);
}

DPO4J_STANDIN cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  dpo4j_standin_count(kWaits);
  return cudaEventQuery(event);
}

DPO4J_STANDIN cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (milliseconds == nullptr) return dpo4j_standin_report(cudaErrorInvalidValue);
  for (cudaEvent_t event : {start, end}) {
    if (!dpo4j_standin_has_handle(event, "event") || !event->timed || !event->recorded) {
      return dpo4j_standin_report(cudaErrorInvalidResourceHandle);
    }
  }
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return CALL(cudaSuccess);
}
