// Shared by the programs that run kernels on device memory of exactly the right size, so that an access beyond it is detected.
#pragma once

#include <cuda_runtime.h>

#include <cstdlib>
#include <vector>

// Copies the values to new device memory. Exits 2 if the allocation fails.
template <class T>
T* device(const std::vector<T>& values) {
  void* address;
  if (cudaMalloc(&address, values.size() * sizeof(T)) != cudaSuccess) exit(2);
  cudaMemcpy(address, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice);
  return static_cast<T*>(address);
}
