// Instructions of compute capability 9.0: mbarrier, TMA, WGMMA and setmaxnreg. There is one function per instruction of the PTX ISA.
// barrier.cuh, tensor_copy.cuh and wgmma.cuh of the kernels call them. README.md lists where they are stricter than the PTX ISA.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace cuda_emulation {

// "cvta.to.shared": returns the shared-window address of an object in this block's shared memory. All instructions below take such addresses.
// "mapa" returns the address of the same object in the shared memory of the block with this rank in the cluster.
uint32_t shared_window_address(const void* address);
uint32_t mapa(uint32_t address, uint32_t rank);

// "mbarrier"
void mbarrier_init(uint32_t barrier, uint32_t arrivals);
void fence_mbarrier_init();
void mbarrier_arrive(uint32_t barrier);
void mbarrier_arrive_expect_tx(uint32_t barrier, uint32_t bytes);
bool mbarrier_try_wait_parity(uint32_t barrier, uint32_t parity);

// "cp.async.bulk.tensor", two dimensions, tiled mode. The second is multicast: to each block of the cluster whose bit is set.
void copy_tensor_tile(uint32_t to, const void* map, uint32_t barrier, int32_t x, int32_t y);
void copy_tensor_tile_to(uint16_t blocks, uint32_t to, const void* map, uint32_t barrier, int32_t x, int32_t y);

// "fence.proxy.async": TMA and WGMMA see what this warp's threads have stored to shared memory before it.
void fence_proxy_async();

// "wgmma": m64nNk16 of bf16. A matrix in shared memory has the 128-byte swizzle and is K-major, or MN-major if transposed. Matrix A may be
// in registers instead, four per lane. d has columns / 2 elements.
struct SharedMatrix {
  uint64_t descriptor;
  bool transposed;
};
void wgmma_fence();
void wgmma_bf16(float* d, int columns, SharedMatrix a, SharedMatrix b, bool accumulate);
void wgmma_bf16(float* d, int columns, uint32_t* a, SharedMatrix b, bool accumulate);
void wgmma_commit_group();
void wgmma_wait_group(int pending);

// "setmaxnreg"
void setmaxnreg_dec(int registers);
void setmaxnreg_inc(int registers);

}  // namespace cuda_emulation

inline size_t __cvta_generic_to_shared(const void* address) { return cuda_emulation::shared_window_address(address); }
