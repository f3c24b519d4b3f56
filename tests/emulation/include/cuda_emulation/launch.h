// Launches. A kernel has run when the call returns, unless a graph captures the launch.
#pragma once

#include <memory>
#include <tuple>
#include <utility>

#include "runtime_api.h"

namespace cuda_emulation {

// Runs body(argument) once for every thread of the grid, or refuses what a device would refuse. If the stream is being captured, it runs
// when the graph is launched. `kernel` identifies the kernel.
cudaError_t launch(const cudaLaunchConfig_t& config, const void* kernel, void (*body)(const void*), std::shared_ptr<const void> argument);

cudaError_t set_dynamic_shared_limit(const void* kernel, int bytes);
size_t dynamic_shared_limit(const void* kernel);  // 0 before it has been set

void count_occupancy();  // a question to the occupancy calculator

int max_cluster_size();  // max blocks per cluster of the emulated device; 1 if it has no clusters

}  // namespace cuda_emulation

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...), Arguments&&... arguments) {
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> arguments;
  };
  const auto call =
      std::make_shared<const Call>(Call{kernel, std::tuple<Parameters...>(static_cast<Parameters>(std::forward<Arguments>(arguments))...)});
  const auto body = [](const void* argument) {
    const Call& call = *static_cast<const Call*>(argument);
    std::apply(call.kernel, call.arguments);
  };
  return cuda_emulation::launch(*config, reinterpret_cast<const void*>(kernel), body, call);
}

template <class... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute, int value) {
  return cuda_emulation::set_dynamic_shared_limit(reinterpret_cast<const void*>(kernel), value);
}

// Kernels are compiled for the emulated device. The size of their static shared arrays is known only when they run. So sharedSizeBytes is
// 0, and the limit of dynamic shared memory is 0 until cudaFuncSetAttribute sets it.
template <class... Parameters>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)(Parameters...)) {
  int major = 0, minor = 0;
  const cudaError_t error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0);
  attributes->ptxVersion = attributes->binaryVersion = 10 * major + minor;
  attributes->sharedSizeBytes = 0;
  attributes->maxDynamicSharedSizeBytes = static_cast<int>(cuda_emulation::dynamic_shared_limit(reinterpret_cast<const void*>(kernel)));
  return error;
}

template <class... Parameters>
cudaError_t cudaOccupancyMaxPotentialClusterSize(int* blocks, void (*)(Parameters...), const cudaLaunchConfig_t*) {
  *blocks = cuda_emulation::max_cluster_size();
  return cudaSuccess;
}

// One resident block per SM, whatever its registers and shared memory.
template <class... Parameters>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void (*)(Parameters...), int, size_t) {
  cuda_emulation::count_occupancy();
  *blocks = 1;
  return cudaSuccess;
}

template <class... Parameters>
cudaError_t cudaOccupancyMaxActiveClusters(int* clusters, void (*)(Parameters...), const cudaLaunchConfig_t* config) {
  cuda_emulation::count_occupancy();
  if (config->numAttrs == 0) return cudaErrorInvalidClusterSize;  // the real library needs a cluster size
  int multiprocessors = 0;
  const cudaError_t error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, 0);
  *clusters = multiprocessors / static_cast<int>(config->attrs[0].val.clusterDim.x);
  return error;
}
