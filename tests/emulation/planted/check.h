// Shared by the tests of the emulation: CHECK and device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdio>

inline int failures = 0;

#define CHECK(condition) \
  if (!(condition)) printf("line %d: %s does not hold\n", __LINE__, #condition), failures++

template <class T>
T* device(size_t count) {
  void* address = nullptr;
  CHECK(cudaMalloc(&address, count * sizeof(T)) == cudaSuccess);
  return static_cast<T*>(address);
}
