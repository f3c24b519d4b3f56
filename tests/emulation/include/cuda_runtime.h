// The CUDA runtime as kernel sources see it, on a CPU: put this directory first on the include path and a host C++17 compiler accepts the
// .cu files unchanged. Threads of a block are fibers that take turns (engine/), blocks run one after another on each of several workers.
//
// What it offers is what the kernels of this project use, with the semantics of compute capability 9.0. What it lacks does not compile.
// Kernels launch through cudaLaunchKernelEx and declare shared memory through DPO4J_SHARED and DPO4J_DYNAMIC_SHARED.
#pragma once

#ifdef __CUDACC__
#error "nvcc must not see the emulation: remove tests/emulation/include from its include path"
#endif

#include <memory>  // before __noinline__ means something: the standard library has attributes of that name

#define __host__
#define __device__
#define __global__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)
#define __grid_constant__

#include "cuda_emulation/asynchronous.h"
#include "cuda_emulation/atomics.h"
#include "cuda_emulation/collectives.h"
#include "cuda_emulation/execution.h"
#include "cuda_emulation/intrinsics.h"
#include "cuda_emulation/launch.h"
#include "cuda_emulation/runtime_api.h"
#include "cuda_emulation/shared_memory.h"
#include "cuda_emulation/types.h"
