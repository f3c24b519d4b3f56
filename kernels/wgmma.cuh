// Matrix products of a warpgroup, four neighbouring warps, on tensor cores: PTX ISA, "Asynchronous Warpgroup Level Matrix Multiply-Accumulate
// Instructions". sm_90a alone.
//
// d[64, 256] = a[64, 16] b[256, 16]^T + (accumulate ? d : 0), a and b bf16 in shared memory as tensor_copy.cuh puts them there, d fp32 in registers.
// The products run by themselves: d is theirs from wgmma_fence until wgmma_wait says that they are done, and so is the shared memory they read.
//
// Fragment of d ("Register Fragments for wgmma.mma_async.m64nNk16", matrix D): d[4 j + 2 i + k] of a thread is the element in row
// 16 (warp % 4) + lane / 4 + 8 i and column 8 j + 2 (lane % 4) + k.
//
// Descriptor of a or b ("Matrix Descriptor Format"), of rows with contiguous k (K-major) in the 128-byte swizzle:
//   bits  0 to 13  address / 16 of the first row. It moves by 32 bytes from one k of 16 to the next: the swizzle is a function of the address
//   bits 16 to 29  leading dimension byte offset / 16: not used where 128 bytes of k are all there is
//   bits 32 to 45  stride dimension byte offset / 16: from eight rows to the next eight, 1024 bytes
//   bits 49 to 51  base offset: 0, since tiles start on 1024 bytes
//   bits 62 to 63  1: 128-byte swizzle
#pragma once

#include "tensor_copy.cuh"

namespace dpo4j::cuda {

constexpr int kProductRows = 64, kProductColumns = 256, kProductDepth = 16;
constexpr int kAccumulators = kProductRows * kProductColumns / 128;  // of a thread

// The descriptor of the 16 first columns of a tile.
__device__ __forceinline__ uint64_t tile_descriptor(uint32_t tile) {
  constexpr uint64_t kStride = 8 * kTileRowBytes;
  return static_cast<uint64_t>((tile & 0x3FFFFu) >> 4) | uint64_t{1} << 16 | (kStride >> 4) << 32 | uint64_t{1} << 62;
}

// What moves a descriptor to the 16 next columns.
constexpr uint64_t kNextDepth = kProductDepth * 2 >> 4;

#ifdef __CUDACC__

// wgmma.fence: before the first product, and before one that follows other use of its registers.
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

// wgmma.commit_group: the products since the last one are a group.
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// wgmma.wait_group: all groups but the youngest PENDING are done.
template <int PENDING>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
}

// Keeps the compiler from moving uses of d over a wait, which names no register.
__device__ __forceinline__ void wgmma_results(float (&d)[kAccumulators]) {
#pragma unroll
  for (float& element : d) asm volatile("" : "+f"(element)::"memory");
}

__device__ __forceinline__ void wgmma(float (&d)[kAccumulators], uint64_t a, uint64_t b, bool accumulate) {
  asm volatile(
      "{\n"
      ".reg .pred accumulate;\n"
      "setp.ne.b32 accumulate, %130, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127 "
      "}, %128, %129, accumulate, 1, 1, 0, 0;\n"
      "}\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]), "+f"(d[8]), "+f"(d[9]), "+f"(d[10]),
        "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]), "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]),
        "+f"(d[21]), "+f"(d[22]), "+f"(d[23]), "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]),
        "+f"(d[31]), "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]), "+f"(d[40]),
        "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]), "+f"(d[48]), "+f"(d[49]), "+f"(d[50]),
        "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]), "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]),
        "+f"(d[61]), "+f"(d[62]), "+f"(d[63]), "+f"(d[64]), "+f"(d[65]), "+f"(d[66]), "+f"(d[67]), "+f"(d[68]), "+f"(d[69]), "+f"(d[70]),
        "+f"(d[71]), "+f"(d[72]), "+f"(d[73]), "+f"(d[74]), "+f"(d[75]), "+f"(d[76]), "+f"(d[77]), "+f"(d[78]), "+f"(d[79]), "+f"(d[80]),
        "+f"(d[81]), "+f"(d[82]), "+f"(d[83]), "+f"(d[84]), "+f"(d[85]), "+f"(d[86]), "+f"(d[87]), "+f"(d[88]), "+f"(d[89]), "+f"(d[90]),
        "+f"(d[91]), "+f"(d[92]), "+f"(d[93]), "+f"(d[94]), "+f"(d[95]), "+f"(d[96]), "+f"(d[97]), "+f"(d[98]), "+f"(d[99]), "+f"(d[100]),
        "+f"(d[101]), "+f"(d[102]), "+f"(d[103]), "+f"(d[104]), "+f"(d[105]), "+f"(d[106]), "+f"(d[107]), "+f"(d[108]), "+f"(d[109]),
        "+f"(d[110]), "+f"(d[111]), "+f"(d[112]), "+f"(d[113]), "+f"(d[114]), "+f"(d[115]), "+f"(d[116]), "+f"(d[117]), "+f"(d[118]),
        "+f"(d[119]), "+f"(d[120]), "+f"(d[121]), "+f"(d[122]), "+f"(d[123]), "+f"(d[124]), "+f"(d[125]), "+f"(d[126]), "+f"(d[127])
      : "l"(a), "l"(b), "r"(static_cast<int32_t>(accumulate)));
}

// setmaxnreg: the registers of each thread from here on, for a warpgroup whose four warps all call it. Those that one gives up, another may take.
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
inline void wgmma_commit() { cuda_emulation::wgmma_commit_group(); }
template <int PENDING>
void wgmma_wait() {
  cuda_emulation::wgmma_wait_group(PENDING);
}
inline void wgmma_results(float (&)[kAccumulators]) {}
inline void wgmma(float (&d)[kAccumulators], uint64_t a, uint64_t b, bool accumulate) {
  cuda_emulation::wgmma_bf16(d, kProductColumns, a, b, accumulate);
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
