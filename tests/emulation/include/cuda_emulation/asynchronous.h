// Of compute capability 9.0: barriers in shared memory, the copy engine, products of warpgroups, and registers that change hands. One
// function an instruction of the PTX ISA, called by the kernels' headers barrier.cuh, tensor_copy.cuh and wgmma.cuh. What each does follows
// the PTX ISA; where it is stricter, README.md says so.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace cuda_emulation {

// cvta.to.shared: where an object of this block's shared memory lies in it. Such an address names the calling block's memory for every
// instruction below; of mapa, another block's of its cluster.
uint32_t shared_window_address(const void* address);
uint32_t mapa(uint32_t address, uint32_t rank);

// "mbarrier"
void mbarrier_init(uint32_t barrier, uint32_t arrivals);
void fence_mbarrier_init();
void mbarrier_arrive(uint32_t barrier);
void mbarrier_arrive_expect_tx(uint32_t barrier, uint32_t bytes);
bool mbarrier_try_wait_parity(uint32_t barrier, uint32_t parity);

// "cp.async.bulk.tensor", two dimensions, tiles. The second goes to each block of the cluster whose bit is set.
void copy_tensor_tile(uint32_t to, const void* map, uint32_t barrier, int32_t x, int32_t y);
void copy_tensor_tile_to(uint16_t blocks, uint32_t to, const void* map, uint32_t barrier, int32_t x, int32_t y);

// "fence.proxy.async": what this warp's threads wrote to shared memory is there for the instructions above and below.
void fence_proxy_async();

// "wgmma": m64nNk16 of bf16. A matrix in shared memory is in the 128-byte swizzle, K-major or, transposed, MN-major. Matrix A may be four
// registers a lane instead. d has columns / 2 elements.
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
