// How a function of this directory is compiled: for the GPU and the CPU by nvcc, for the CPU alone by a C++ compiler.
#pragma once

#ifdef __CUDACC__
#define DPO4J_HOST_DEVICE __host__ __device__
// A call on the GPU. Inlined, the constants of a dozen fp64 exponentials and logarithms would fill the registers of a kernel that contains all
// losses. Launch latency bounds that kernel, so calls cost it nothing.
#define DPO4J_HOST_DEVICE_CALL __host__ __device__ __noinline__
#else
// Never a call on the CPU. A called function returns its numbers through memory, one store each; the caller loads them in pairs, and such a load
// waits for both stores.
#define DPO4J_HOST_DEVICE __attribute__((always_inline))
#define DPO4J_HOST_DEVICE_CALL __attribute__((always_inline))
#endif
