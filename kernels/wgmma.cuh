// WGMMA: matrix products of a warpgroup (four consecutive warps) on tensor cores: PTX ISA, "Asynchronous Warpgroup Level Matrix Multiply-
// Accumulate Instructions". sm_90a only.
//
// d[64, N] = a[64, 16] b[N, 16]^T + (accumulate ? d : 0), N = 64, 128 or 256, a and b bf16, d fp32 in registers. b is in shared memory, a
// in shared memory or in registers. Products are asynchronous: from wgmma_fence until wgmma_wait reports that they are done, the code must
// not access d, or change the registers of a and the shared memory that they read.
//
// D fragment ("Register Fragments for wgmma.mma_async.m64nNk16", matrix D): d[4 j + 2 i + c] of a thread is the element in row 16 (warp %
// 4) + lane / 4 + 8 i and column 8 j + 2 (lane % 4) + c. A fragment in registers (matrix A): the halves c = 0 and 1 of a[2 j + i] are the
// elements in the same row and in column 8 j + 2 (lane % 4) + c. So each thread converts its eight numbers of 16 columns of a D fragment to
// the four registers of an A fragment without exchanging data with other threads.
//
// A matrix in shared memory consists of rows of 128 bytes in the 128-byte swizzle, as tensor_copy.cuh writes them, eight rows per swizzle
// period of 1024 bytes. The major-ness of the matrix says what a row of 128 bytes holds ("Shared Memory Matrix Layout"):
//   kDepth  64 k of a row of the matrix (K-major)
//   kRows   64 rows of the matrix for one k (M-major or N-major, that is, transposed, like v in the product of weights and v)
// Descriptor ("Matrix Descriptor Format", "Strides"):
//   bits  0 to 13  address / 16 of the first element. The swizzle depends only on the address, so adding kNext moves to the next 16 k
//   bits 16 to 29  leading dimension byte offset / 16. kRows: from 64 rows of the matrix to the next 64. kDepth: not used
//   bits 32 to 45  stride dimension byte offset / 16: 1024 bytes. kDepth: from 8 rows to the next 8. kRows: from 8 k to the next 8
//   bits 49 to 51  base offset: 0, because tiles start on 1024 bytes
//   bits 62 to 63  1: 128-byte swizzle
#pragma once

#include "tensor_copy.cuh"

namespace dpo4j::cuda {

constexpr int kWarpgroup = 128, kWarpsOfGroup = 4;  // threads and warps of a warpgroup
constexpr int kProductRows = 64, kProductColumns = 256, kProductDepth = 16;
constexpr int kAccumulators = kProductRows * kProductColumns / kWarpgroup;  // per thread, for the widest product

// Which index of a matrix is contiguous in shared memory.
enum class Major { kDepth = 0, kRows = 1 };

__device__ __forceinline__ uint64_t tile_descriptor(uint32_t tile, uint64_t leading_bytes) {
  constexpr uint64_t kStride = 8 * kTileRowBytes;
  return static_cast<uint64_t>((tile & 0x3FFFFu) >> 4) | (leading_bytes >> 4) << 16 | (kStride >> 4) << 32 | uint64_t{1} << 62;
}

// Descriptor of the first 16 k of a tile whose rows are rows of the matrix (K-major). The leading dimension offset is not used; by
// convention it is 1.
__device__ __forceinline__ uint64_t tile_descriptor(uint32_t tile) { return tile_descriptor(tile, 16); }

// Descriptor of the first 16 k of tiles in which each row is one k (M-major or N-major). A tile holds 64 rows of the matrix; the next 64
// are `next_tile_bytes` further.
__device__ __forceinline__ uint64_t transposed_descriptor(uint32_t tile, uint32_t next_tile_bytes) {
  return tile_descriptor(tile, next_tile_bytes);
}

// These numbers, added to a descriptor, move it to the next 16 k.
constexpr uint64_t kNextDepth = kProductDepth * 2 >> 4, kNextTransposedDepth = kProductDepth * kTileRowBytes >> 4;
template <Major MAJOR>
constexpr uint64_t kNext = MAJOR == Major::kDepth ? kNextDepth : kNextTransposedDepth;

// Registers per thread of a block that is launched with all registers of an SM. setmaxnreg only redistributes the registers of a block, so
// their sum over all threads may not exceed those at launch.
constexpr int launched_registers(int threads) { return 65536 / threads / 8 * 8; }

#ifdef __CUDACC__

// wgmma.fence: needed before the first product, and before a product whose registers other instructions have accessed.
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

// fence.proxy.async: makes this thread's stores to shared memory visible to WGMMA and TMA, once the issuing thread has synchronised with
// this one. Called by all lanes of a warp.
__device__ __forceinline__ void fence_async_proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// wgmma.commit_group: closes the group of products since the last commit.
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// wgmma.wait_group: waits until at most the newest PENDING groups are unfinished.
template <int PENDING>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

// Keeps the compiler from moving uses of d across a wait or fence: those instructions do not name d, so the compiler sees no dependency.
template <int N>
__device__ __forceinline__ void wgmma_results(float (&d)[N]) {
#pragma unroll
  for (int i = 0; i < N; i++) asm volatile("" : "+f"(d[i])::"memory");
}

// The same for A fragments in registers: before the fence that precedes their products, and after the wait for them.
template <int N>
__device__ __forceinline__ void wgmma_operands(uint32_t (&a)[N][4]) {
#pragma unroll
  for (int i = 0; i < 4 * N; i++) asm volatile("" : "+r"(a[i / 4][i % 4])::"memory");
}

// Operands of one instruction. The accumulators of a thread come first, one per two columns, so the operand numbers of the rest depend on
// their count.
#define DPO4J_NAMES_32                                                     \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define DPO4J_NAMES_64                                                               \
  DPO4J_NAMES_32                                                                     \
  ", "                                                                               \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define DPO4J_NAMES_128                                                                          \
  DPO4J_NAMES_64                                                                                 \
  ", "                                                                                           \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "             \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "             \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define DPO4J_FLOATS_4(d, i) "+f"(d[i]), "+f"(d[(i) + 1]), "+f"(d[(i) + 2]), "+f"(d[(i) + 3])
#define DPO4J_FLOATS_16(d, i) DPO4J_FLOATS_4(d, i), DPO4J_FLOATS_4(d, (i) + 4), DPO4J_FLOATS_4(d, (i) + 8), DPO4J_FLOATS_4(d, (i) + 12)
#define DPO4J_FLOATS_32(d, i) DPO4J_FLOATS_16(d, i), DPO4J_FLOATS_16(d, (i) + 16)
#define DPO4J_FLOATS_64(d, i) DPO4J_FLOATS_32(d, i), DPO4J_FLOATS_32(d, (i) + 32)
#define DPO4J_FLOATS_128(d, i) DPO4J_FLOATS_64(d, i), DPO4J_FLOATS_64(d, (i) + 64)
// The instruction with operands d, a, b, `accumulate`, and whether a and b are transposed. 1, 1: neither is negated.
#define DPO4J_PRODUCT(shape, d, a, b, accumulate, transposed)      \
  "{\n.reg .pred accumulate;\nsetp.ne.b32 accumulate, " accumulate \
  ", 0;\n"                                                         \
  "wgmma.mma_async.sync.aligned." shape ".f32.bf16.bf16 {" d "}, " a ", " b ", accumulate, 1, 1, " transposed ";\n}\n"

// a and b in shared memory.
template <Major A = Major::kDepth, Major B = Major::kDepth, int N>
__device__ __forceinline__ void wgmma(float (&d)[N], uint64_t a, uint64_t b, bool accumulate) {
  static_assert(N == 32 || N == 64 || N == 128, "64, 128 or 256 columns");
  const int32_t keep = accumulate;
  if constexpr (N == 32) {
    asm volatile(DPO4J_PRODUCT("m64n64k16", DPO4J_NAMES_32, "%32", "%33", "%34", "%35, %36")
                 : DPO4J_FLOATS_32(d, 0)
                 : "l"(a), "l"(b), "r"(keep), "n"(static_cast<int>(A)), "n"(static_cast<int>(B)));
  } else if constexpr (N == 64) {
    asm volatile(DPO4J_PRODUCT("m64n128k16", DPO4J_NAMES_64, "%64", "%65", "%66", "%67, %68")
                 : DPO4J_FLOATS_64(d, 0)
                 : "l"(a), "l"(b), "r"(keep), "n"(static_cast<int>(A)), "n"(static_cast<int>(B)));
  } else {
    asm volatile(DPO4J_PRODUCT("m64n256k16", DPO4J_NAMES_128, "%128", "%129", "%130", "%131, %132")
                 : DPO4J_FLOATS_128(d, 0)
                 : "l"(a), "l"(b), "r"(keep), "n"(static_cast<int>(A)), "n"(static_cast<int>(B)));
  }
}

// a in registers, which wgmma_operands() names before the fence.
template <Major B = Major::kDepth, int N>
__device__ __forceinline__ void wgmma(float (&d)[N], uint32_t (&a)[4], uint64_t b, bool accumulate) {
  static_assert(N == 32 || N == 64 || N == 128, "64, 128 or 256 columns");
  const int32_t keep = accumulate;
  if constexpr (N == 32) {
    asm volatile(DPO4J_PRODUCT("m64n64k16", DPO4J_NAMES_32, "{%32, %33, %34, %35}", "%36", "%37", "%38")
                 : DPO4J_FLOATS_32(d, 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(keep), "n"(static_cast<int>(B)));
  } else if constexpr (N == 64) {
    asm volatile(DPO4J_PRODUCT("m64n128k16", DPO4J_NAMES_64, "{%64, %65, %66, %67}", "%68", "%69", "%70")
                 : DPO4J_FLOATS_64(d, 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(keep), "n"(static_cast<int>(B)));
  } else {
    asm volatile(DPO4J_PRODUCT("m64n256k16", DPO4J_NAMES_128, "{%128, %129, %130, %131}", "%132", "%133", "%134")
                 : DPO4J_FLOATS_128(d, 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(keep), "n"(static_cast<int>(B)));
  }
}

#undef DPO4J_NAMES_32
#undef DPO4J_NAMES_64
#undef DPO4J_NAMES_128
#undef DPO4J_FLOATS_4
#undef DPO4J_FLOATS_16
#undef DPO4J_FLOATS_32
#undef DPO4J_FLOATS_64
#undef DPO4J_FLOATS_128
#undef DPO4J_PRODUCT

// setmaxnreg: sets the registers per thread from here on. All four warps of a warpgroup must call it. give_registers releases registers,
// and take_registers waits until enough are free.
template <int REGISTERS>
__device__ __forceinline__ void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}
template <int REGISTERS>
__device__ __forceinline__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

#else

inline void wgmma_fence() { cuda_emulation::wgmma_fence(); }
inline void fence_async_proxy() { cuda_emulation::fence_proxy_async(); }
inline void wgmma_commit() { cuda_emulation::wgmma_commit_group(); }
template <int PENDING>
void wgmma_wait() {
  cuda_emulation::wgmma_wait_group(PENDING);
}
template <int N>
void wgmma_results(float (&)[N]) {}
template <int N>
void wgmma_operands(uint32_t (&)[N][4]) {}
template <Major A = Major::kDepth, Major B = Major::kDepth, int N>
void wgmma(float (&d)[N], uint64_t a, uint64_t b, bool accumulate) {
  cuda_emulation::wgmma_bf16(d, 2 * N, {a, A == Major::kRows}, {b, B == Major::kRows}, accumulate);
}
template <Major B = Major::kDepth, int N>
void wgmma(float (&d)[N], uint32_t (&a)[4], uint64_t b, bool accumulate) {
  cuda_emulation::wgmma_bf16(d, 2 * N, a, {b, B == Major::kRows}, accumulate);
}
template <int REGISTERS>
void give_registers() {
  cuda_emulation::setmaxnreg_dec(REGISTERS);
}
template <int REGISTERS>
void take_registers() {
  cuda_emulation::setmaxnreg_inc(REGISTERS);
}

#endif

}  // namespace dpo4j::cuda
