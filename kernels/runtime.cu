// Calls of the CUDA runtime other than launches: devices, their properties, and error messages. The runtime is linked statically, so that
// these calls work on a machine without a driver.
#include <string.h>

#include "portable.cuh"

#ifndef DPO4J_ARCHITECTURES
#error "DPO4J_ARCHITECTURES says what is compiled in: \"sm_80,sm_90a\", or \"emulated\""
#endif

namespace dpo4j::cuda {
namespace {

__global__ void nothing() {}

// The max number of blocks in a cluster on the current device, but at most 8; 1 if the device does not support clusters. It cannot be
// derived from the compute capability: the compiled code must support clusters too, a small or partitioned device (MIG) runs fewer blocks
// at once, and some devices of compute capability 9.0 and later have no clusters; on these the runtime returns an error or 0.
int query_max_cluster_size(int ordinal) {
  constexpr int kPortable = 8;
  int launches = 0, blocks = 0;
  cudaFuncAttributes code{};
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(kPortable);
  config.blockDim = dim3(32);
  cudaError_t error = cudaDeviceGetAttribute(&launches, cudaDevAttrClusterLaunch, ordinal);
  if (error == cudaSuccess) error = cudaFuncGetAttributes(&code, nothing);
  if (error == cudaSuccess && launches != 0 && knows_clusters(code)) {
    error = cudaOccupancyMaxPotentialClusterSize(&blocks, nothing, &config);
  }
  if (error != cudaSuccess) cudaGetLastError();
  if (error != cudaSuccess || blocks < 1) return 1;
  return blocks < kPortable ? blocks : kPortable;
}

}  // namespace

const char* architectures() { return DPO4J_ARCHITECTURES; }

// Those that can be turned off need sm_90a, except kAttentionDecode. The emulation contains the code of every architecture.
bool has_kernel(const LaunchContext& context, uint32_t kernel) {
  if ((context.without & kernel) != 0) return false;
  if (kernel == kAttentionDecode) return true;
  const bool compiled = strcmp(architectures(), "emulated") == 0 || strstr(architectures(), "sm_90a") != nullptr;
  return compiled && context.capability == 90;
}

const char* error_text(int error) { return cudaGetErrorString(static_cast<cudaError_t>(error)); }
const char* error_name(int error) { return cudaGetErrorName(static_cast<cudaError_t>(error)); }

// The errors for which CUDA's header says that "the process must be terminated and relaunched". The last two are numbers, because CUDA 12
// has no names for them.
bool ends_cuda(int error) {
  constexpr int kContained = 226, kTensorMemoryLeak = 721;
  switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorMpsClientTerminated:
    case cudaErrorExternalDevice:
    case kContained:
    case kTensorMemoryLeak:
      return true;
    default:
      return false;
  }
}

int max_cluster(int32_t ordinal, int32_t* blocks) {
  const CurrentDevice device(ordinal);
  if (device.error() != cudaSuccess) {
    cudaGetLastError();
    return device.error();
  }
  *blocks = query_max_cluster_size(ordinal);
  return cudaSuccess;
}

int device_count(int32_t* count) {
  int found = 0;
  const cudaError_t error = cudaGetDeviceCount(&found);
  if (error != cudaSuccess) cudaGetLastError();
  *count = error == cudaSuccess ? found : 0;
  return error;
}

int device_info(int32_t ordinal, char* name, size_t name_bytes, int32_t* capability, int64_t* memory_bytes, int32_t* driver_version) {
  cudaDeviceProp properties;
  int version = 0;
  cudaError_t error = cudaGetDeviceProperties(&properties, ordinal);
  if (error == cudaSuccess) error = cudaDriverGetVersion(&version);
  if (error != cudaSuccess) {
    cudaGetLastError();
    return error;
  }
  if (name && name_bytes > 0) {
    const size_t length = strnlen(properties.name, name_bytes - 1);
    memcpy(name, properties.name, length);
    name[length] = 0;
  }
  if (capability) *capability = 10 * properties.major + properties.minor;
  if (memory_bytes) *memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  if (driver_version) *driver_version = version;
  return cudaSuccess;
}

int make_launch_context(LaunchContext* context, int32_t ordinal, void* stream) {
  const CurrentDevice device(ordinal);
  cudaError_t error = device.error();
  int shared_bytes = 0, sm_shared_bytes = 0, major = 0, minor = 0;
  const auto ask = [&](int* value, cudaDeviceAttr attribute) {
    if (error == cudaSuccess) error = cudaDeviceGetAttribute(value, attribute, ordinal);
  };
  ask(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin);
  ask(&sm_shared_bytes, cudaDevAttrMaxSharedMemoryPerMultiprocessor);
  ask(&major, cudaDevAttrComputeCapabilityMajor);
  ask(&minor, cudaDevAttrComputeCapabilityMinor);
  if (error != cudaSuccess) {
    cudaGetLastError();
    return error;
  }
  *context = {stream, ordinal, shared_bytes, sm_shared_bytes, query_max_cluster_size(ordinal), 10 * major + minor, 0, 0};
  return cudaSuccess;
}

}  // namespace dpo4j::cuda
