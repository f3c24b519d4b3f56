// The CUDA runtime as kernel sources see it, on a CPU. With this directory first on the include path, a C++17 compiler compiles the .cu
// files unchanged. The threads of a block are fibers that run in turn (engine/). Several workers run blocks, each one block after another.
//
// It contains only what the kernels of this project use, with the semantics of compute capability 9.0. A kernel that uses anything else
// does not compile. Kernels are launched through cudaLaunchKernelEx and declare shared memory through DPO4J_SHARED and
// DPO4J_DYNAMIC_SHARED.
#pragma once

#ifdef __CUDACC__
#error "nvcc must not see the emulation: remove tests/emulation/include from its include path"
#endif

#include <memory>  // before __noinline__ is defined: the standard library has attributes of that name

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
