// Every kernel file includes this first. It compiles with nvcc. With tests/emulation/include before the toolkit on the include path it also
// compiles with a C++17 compiler, so that the same kernels run on the CPU under sanitizers. For that, kernels follow three rules:
//   launches          through launch() and launch_clusters() below, never with <<<>>>
//   shared memory     DPO4J_SHARED(T, name, [dimensions]) of a fixed size, DPO4J_DYNAMIC_SHARED(T, name) for the size given to launch()
//   intrinsics        the common ones (shuffles, barriers, cached loads and stores, bf16 conversions); mma.sync through mma.cuh;
//                     Hopper's instructions through barrier.cuh, tensor_copy.cuh and wgmma.cuh
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <math.h>
#include <stdint.h>

#include "../native/cuda.h"
#include "answers.cuh"

#ifdef __CUDACC__
#define DPO4J_SHARED(T, name, ...) __shared__ T name __VA_ARGS__
#define DPO4J_DYNAMIC_SHARED(T, name)                                    \
  extern __shared__ __align__(128) unsigned char dpo4j_dynamic_shared[]; \
  T* name = reinterpret_cast<T*>(dpo4j_dynamic_shared)
#endif

namespace dpo4j::cuda {

// Makes the context's device current, because the null stream belongs to the current device, and restores the caller's device at the end.
// It calls cudaSetDevice even if the device is current: in a new thread device 0 is current, but there is no CUDA context yet, and driver
// functions need one (encode_tile_map).
class CurrentDevice {
 public:
  explicit CurrentDevice(int ordinal) : ordinal_(ordinal) {
    error_ = cudaGetDevice(&before_);
    if (error_ == cudaSuccess) error_ = cudaSetDevice(ordinal_);
  }
  ~CurrentDevice() {
    if (error_ == cudaSuccess && before_ != ordinal_) cudaSetDevice(before_);
  }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;
  cudaError_t error() const { return error_; }

 private:
  int ordinal_, before_ = 0;
  cudaError_t error_;
};

// Bytes of shared memory, static and dynamic together, that a launch may use without setting a function attribute.
constexpr size_t kDefaultSharedBytes = 48 << 10;

// Lets a kernel use `bytes` of dynamic shared memory: if its current limit is lower, sets the limit to the max per block, less its static
// arrays. Every call sets the same value, so threads that use one kernel do not lower each other's limit.
template <class... Parameters>
cudaError_t allow_dynamic_shared(void (*kernel)(Parameters...), size_t bytes, int32_t max_block_bytes) {
  cudaFuncAttributes attributes{};
  const cudaError_t error = cudaFuncGetAttributes(&attributes, kernel);
  if (error != cudaSuccess || bytes <= static_cast<size_t>(attributes.maxDynamicSharedSizeBytes)) return error;
  const int max_dynamic = max_block_bytes - static_cast<int>(attributes.sharedSizeBytes);
  return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, max_dynamic);
}

// The configuration of a launch in clusters of `cluster` blocks along x, with the attributes that it needs.
class Launch {
 public:
  template <class... Parameters>
  Launch(const LaunchContext& context, int cluster, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes)
      : device_(context.ordinal) {
    error_ = device_.error();
    if (error_ == cudaSuccess && shared_bytes > 0) error_ = allow_dynamic_shared(kernel, shared_bytes, context.shared_bytes);
    dimension_.id = cudaLaunchAttributeClusterDimension;
    dimension_.val.clusterDim = {static_cast<unsigned>(cluster), 1, 1};
    config_.gridDim = grid;
    config_.blockDim = block;
    config_.dynamicSmemBytes = shared_bytes;
    config_.stream = static_cast<cudaStream_t>(context.stream);
    config_.attrs = &dimension_;
    config_.numAttrs = cluster > 1 ? 1 : 0;
  }
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;
  cudaError_t error() const { return error_; }
  const cudaLaunchConfig_t& config() const { return config_; }

 private:
  const CurrentDevice device_;
  cudaError_t error_;
  cudaLaunchAttribute dimension_{};
  cudaLaunchConfig_t config_{};
};

// Launches in clusters of `cluster` blocks along x (cluster.cuh), which must divide the grid; an empty grid launches nothing. Returns 0 or
// a cudaError_t, and clears the error, so that the caller's next call does not return it. Clusters larger than context.max_cluster_size are
// refused, because code for a device without clusters would treat each block as the whole cluster.
template <class... Parameters, class... Arguments>
int launch_clusters(const LaunchContext& context, int cluster, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
                    Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return cudaSuccess;
  if (cluster < 1 || cluster > context.max_cluster_size) return cudaErrorInvalidClusterSize;
  const Launch launch(context, cluster, kernel, grid, block, shared_bytes);
  cudaError_t error = launch.error();
  if (error == cudaSuccess) error = cudaLaunchKernelEx(&launch.config(), kernel, static_cast<Parameters>(arguments)...);
  if (error != cudaSuccess) cudaGetLastError();
  return error;
}

// Returns whether a kernel was compiled for an architecture with clusters (compute capability 9.0 or later). It compares the PTX version of
// the kernel, or the binary version if the library has no PTX of it. It returns false if the driver compiled the kernel from older PTX,
// because such code treats each block as a cluster.
inline bool knows_clusters(const cudaFuncAttributes& code) {
  constexpr int kFirstWithClusters = 90;
  return (code.ptxVersion > 0 ? code.ptxVersion : code.binaryVersion) >= kFirstWithClusters;
}

// Of all kernels, devices and sizes of launches.
inline Answers<int, 64>& resident_cluster_answers() {
  static Answers<int, 64> answers;
  return answers;
}

// The number of clusters of such a launch that the device can run at the same time: the grid of a persistent kernel. Without clusters, that
// of blocks. Tests set it in the context. Returns 0 or a cudaError_t.
template <class... Parameters>
int resident_clusters(int* clusters, const LaunchContext& context, int cluster, void (*kernel)(Parameters...), dim3 block,
                      size_t shared_bytes) {
  *clusters = context.resident_clusters;
  if (*clusters > 0) return cudaSuccess;
  const Question question{reinterpret_cast<uintptr_t>(kernel), static_cast<uint64_t>(context.ordinal), static_cast<uint64_t>(cluster),
                          uint64_t{block.x} * block.y * block.z, shared_bytes};
  if (resident_cluster_answers().find(question, clusters)) return cudaSuccess;
  const Launch launch(context, cluster, kernel, dim3(cluster), block, shared_bytes);
  cudaLaunchConfig_t config = launch.config();
  config.numAttrs = 1;  // unlike a launch, this query needs a cluster size, even if it is 1
  cudaError_t error = launch.error();
  if (error == cudaSuccess && context.max_cluster_size > 1) {
    error = cudaOccupancyMaxActiveClusters(clusters, kernel, &config);
  } else if (error == cudaSuccess) {
    int multiprocessors = 0;
    error = cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, context.ordinal);
    if (error == cudaSuccess)
      error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(clusters, kernel, static_cast<int>(block.x), shared_bytes);
    *clusters *= multiprocessors;
  }
  if (error != cudaSuccess) {
    cudaGetLastError();
    return error;
  }
  resident_cluster_answers().keep(question, *clusters);
  return cudaSuccess;
}

// The same without clusters.
template <class... Parameters, class... Arguments>
int launch(const LaunchContext& context, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
           Arguments... arguments) {
  return launch_clusters(context, 1, kernel, grid, block, shared_bytes, arguments...);
}

// Queues a fill of `bytes` from `memory` on with 0. Returns 0 or a cudaError_t.
inline int clear(const LaunchContext& context, void* memory, size_t bytes) {
  const CurrentDevice device(context.ordinal);
  cudaError_t error = device.error();
  if (error == cudaSuccess) error = cudaMemsetAsync(memory, 0, bytes, static_cast<cudaStream_t>(context.stream));
  if (error != cudaSuccess) cudaGetLastError();
  return error;
}

// The address of a variable in this block's shared memory, in the form that instructions take.
__device__ __forceinline__ uint32_t shared_address(const void* address) { return static_cast<uint32_t>(__cvta_generic_to_shared(address)); }

inline __host__ __device__ int64_t divide_up(int64_t count, int64_t size) { return (count + size - 1) / size; }

}  // namespace dpo4j::cuda
