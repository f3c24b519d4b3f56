// Attributes of the functions in this directory: nvcc compiles them for the GPU and the CPU, a C++ compiler only for the CPU.
#pragma once

#ifdef __CUDACC__
#define DPO4J_HOST_DEVICE __host__ __device__
// On the GPU, this function is called, not inlined. One kernel contains all losses. If this function were inlined for each, the constants
// of a dozen fp64 exponentials and logarithms would fill the kernel's registers. Launch latency bounds the kernel, so the time of calls
// does not matter.
#define DPO4J_HOST_DEVICE_CALL __host__ __device__ __noinline__
#else
// On the CPU, the function is always inlined. Otherwise it would return a struct through memory, with one store per number. The caller
// would load two numbers at once, and such a load waits until both stores have reached the cache.
#define DPO4J_HOST_DEVICE __attribute__((always_inline))
#define DPO4J_HOST_DEVICE_CALL __attribute__((always_inline))
#endif
