// What the programs share that run kernels on device memory of exactly the right size: a step beyond it is seen.
#pragma once

#include <cuda_runtime.h>

#include <cstdlib>
#include <vector>

// The values in memory of their own. Exits 2 where there is none.
template <class T>
T* device(const std::vector<T>& values) {
  void* address;
  if (cudaMalloc(&address, values.size() * sizeof(T)) != cudaSuccess) exit(2);
  cudaMemcpy(address, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice);
  return static_cast<T*>(address);
}
