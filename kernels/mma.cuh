// mma.sync products of bf16 on tensor cores, and instructions that load their operands: one function for each instruction of sm_80 and
// later for which CUDA C++ has none. For the CPU, tests/emulation has functions with the same names and meaning. Section numbers refer to
// the PTX ISA 9.0.
//
// All lanes of a warp call mma_m16n8k16 and ldmatrix_x4 together. With group = lane / 4 and member = lane % 4, a lane holds
//
//   d[i]   row group (i < 2) or group + 8, column 2 member + i % 2                  of the 16 x 8 product
//   a[i]   row group (i even) or group + 8, columns 2 member, + 1 (i < 2) or + 8, + 9    of the 16 x 16 A matrix; the first in the low half
//   b[i]   rows 2 member, + 1 (i = 0) or + 8, + 9, column group                     of the 16 x 8 B matrix
#pragma once

#include "portable.cuh"

#ifndef __CUDACC__
#include <cuda_emulation/mma.h>
#endif

namespace dpo4j::cuda {

// Returns x and hides its value from the compiler. So expressions of x are computed inside a loop, and not hoisted out of it and kept in
// registers.
__device__ __forceinline__ int computed_here(int x) {
  asm volatile("" : "+r"(x));
  return x;
}

#ifdef __CUDACC__

// d += a b. Products are exact; they are added to d with at least the precision of fp32, rounded as the device does (9.7.15.5.14).
__device__ __forceinline__ void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four matrices of 8 x 8 16-bit numbers (9.7.15.5.15). Lane 8 i + r passes the address of row r of matrix i, a multiple of 16. The lane
// gets in x[i] row `group`, columns 2 member and + 1, of matrix i.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&x)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(shared_address(row)));
}

// The same for the transposed matrices: x[i] is rows 2 member and + 1, column `group`, of matrix i.
__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&x)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(shared_address(row)));
}

// Starts an asynchronous copy of 16 bytes to shared memory. If `exists` is false, it writes 0 and reads nothing (9.7.9.25.3.1). This thread
// may read them after its cp_async_wait, other threads after a barrier that follows it. Both addresses are multiples of 16.
__device__ __forceinline__ void cp_async_16(void* shared, const void* global, bool exists) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(exists ? 16 : 0) : "memory");
}

// Closes the group of this thread's copies since the last commit (9.7.9.25.3.2).
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most the newest GROUPS groups of this thread are unfinished (9.7.9.25.3.3).
template <int GROUPS>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(GROUPS) : "memory");
}

#else

using cuda_emulation::cp_async_16;
using cuda_emulation::cp_async_commit;
using cuda_emulation::cp_async_wait;
using cuda_emulation::ldmatrix_x4;
using cuda_emulation::ldmatrix_x4_trans;
using cuda_emulation::mma_m16n8k16;

#endif

}  // namespace dpo4j::cuda
