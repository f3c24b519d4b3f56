// What every kernel file includes first. It compiles with nvcc and, with tests/emulation/include before the toolkit on the include path,
// with a host C++17 compiler, which runs the very same kernels under sanitizers. For that, a kernel keeps three rules:
//   launches          through launch() and launch_clusters() below, never with <<<>>>
//   shared memory     DPO4J_SHARED(T, name, [dimensions]) of a fixed size, DPO4J_DYNAMIC_SHARED(T, name) for the size given to launch()
//   intrinsics        the ordinary ones (shuffles, barriers, cached loads and stores, bf16 conversions); tensor cores through mma.cuh
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <math.h>
#include <stdint.h>

#include "../native/cuda.h"

#ifdef __CUDACC__
#define DPO4J_SHARED(T, name, ...) __shared__ T name __VA_ARGS__
#define DPO4J_DYNAMIC_SHARED(T, name)                                    \
  extern __shared__ __align__(128) unsigned char dpo4j_dynamic_shared[]; \
  T* name = reinterpret_cast<T*>(dpo4j_dynamic_shared)
#endif

namespace dpo4j::cuda {

// Makes the queue's device current, and the caller's again at the end: the null stream means the current device's.
class CurrentDevice {
 public:
  explicit CurrentDevice(int ordinal) : ordinal_(ordinal) {
    error_ = cudaGetDevice(&before_);
    if (error_ == cudaSuccess && before_ != ordinal_) error_ = cudaSetDevice(ordinal_);
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

// The dynamic shared memory that needs no permission.
constexpr size_t kDefaultSharedBytes = 48 << 10;

// Queues one launch in clusters of `cluster` blocks along x (cluster.cuh), which must divide the grid's; an empty grid is no work. Returns 0
// or a cudaError_t, and leaves none behind for the caller's next call to find. More blocks than queue.largest_cluster are refused here: code
// for a device without clusters would run, and take each block for the whole.
template <class... Parameters, class... Arguments>
int launch_clusters(const Queue& queue, int cluster, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
                    Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return cudaSuccess;
  if (cluster < 1 || cluster > queue.largest_cluster) return cudaErrorInvalidClusterSize;
  const CurrentDevice device(queue.ordinal);
  cudaError_t error = device.error();
  if (error == cudaSuccess && shared_bytes > kDefaultSharedBytes) {
    error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
  }
  if (error == cudaSuccess) {
    cudaLaunchAttribute dimension{};
    dimension.id = cudaLaunchAttributeClusterDimension;
    dimension.val.clusterDim = {static_cast<unsigned>(cluster), 1, 1};
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared_bytes;
    config.stream = static_cast<cudaStream_t>(queue.stream);
    config.attrs = &dimension;
    config.numAttrs = cluster > 1 ? 1 : 0;
    error = cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
  }
  if (error != cudaSuccess) cudaGetLastError();
  return error;
}

// The same without clusters.
template <class... Parameters, class... Arguments>
int launch(const Queue& queue, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, Arguments... arguments) {
  return launch_clusters(queue, 1, kernel, grid, block, shared_bytes, arguments...);
}

inline int64_t divide_up(int64_t count, int64_t size) { return (count + size - 1) / size; }

}  // namespace dpo4j::cuda
