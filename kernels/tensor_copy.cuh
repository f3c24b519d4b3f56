// TMA: loads tiles of a matrix from device memory to shared memory: PTX ISA, "Data Movement and Conversion Instructions:
// cp.async.bulk.tensor", and cuTensorMapEncodeTiled of the driver. Compute capability 9.0.
//
// One thread issues the load of a tile; a barrier (barrier.cuh) counts its bytes as they land. A tile is 64 columns of bf16 (128 bytes) and
// as many rows as its tensor map says. Row r starts r * 128 bytes into the tile, as eight chunks of 16 bytes that the 128-byte swizzle
// permutes: bits 4 to 6 of an address are xored with its bits 7 to 9. So the chunks of one column of eight consecutive rows are in
// different banks. WGMMA reads the same swizzle (wgmma.cuh). Tiles are aligned to 1024 bytes, the period of the swizzle. Elements outside
// the matrix land as 0, and the barrier counts their bytes too.
#pragma once

#include "barrier.cuh"

namespace dpo4j::cuda {

constexpr int kTileColumns = 64;
constexpr int kTileRowBytes = kTileColumns * 2;
constexpr size_t kTileAlignment = 1024;

// The driver's CUtensorMap. The driver's header is not included, because native/ has a header of the same name, cuda.h.
struct alignas(128) TileMap {
  uint64_t opaque[16];
};

// cuTensorMapEncodeTiled (CUDA 12.0 and later), and the enumerators (ints) that are used here.
using EncodeTiled = int (*)(TileMap*, int type, uint32_t rank, void* address, const uint64_t* extents, const uint64_t* strides,
                            const uint32_t* tile, const uint32_t* element_strides, int interleave, int swizzle, int l2_promotion, int fill);
constexpr int kTypeBf16 = 9, kInterleaveNone = 0, kSwizzle128Bytes = 3, kL2Promotion256Bytes = 3, kFillZero = 0;

// The driver's function, looked up through the runtime so that the library loads without a driver; null if the driver is too old.
inline EncodeTiled encode_tiled() {
  static const EncodeTiled function = [] {
    constexpr unsigned kSinceVersion = 12000;
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found;
    if (cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, kSinceVersion, cudaEnableDefault, &found) != cudaSuccess) {
      cudaGetLastError();
      return EncodeTiled{nullptr};
    }
    return reinterpret_cast<EncodeTiled>(function);
  }();
  return function;
}

// A map holds an address and sizes, and nothing of the memory there. So it stays right if the memory is freed and allocated again. A training
// step of 32 layers has some 200 of them, the same in every step.
inline Answers<TileMap, 512>& tile_map_answers() {
  static Answers<TileMap, 512> answers;
  return answers;
}

// Makes the tensor map of a bf16 matrix [rows, columns], rows `stride` elements apart, in tiles of tile_rows rows. Returns 0 or a
// cudaError_t (the driver's codes have the same values).
inline int encode_tile_map(const LaunchContext& context, TileMap* map, const void* matrix, int64_t rows, int64_t columns, int64_t stride,
                           uint32_t tile_rows) {
  const Question question{reinterpret_cast<uintptr_t>(matrix), static_cast<uint64_t>(rows), static_cast<uint64_t>(columns),
                          static_cast<uint64_t>(stride), uint64_t{tile_rows} << 32 | static_cast<uint32_t>(context.ordinal)};
  if (tile_map_answers().find(question, map)) return cudaSuccess;
  const EncodeTiled encode = encode_tiled();
  if (encode == nullptr) return cudaErrorNotSupported;
  const CurrentDevice device(context.ordinal);
  if (device.error() != cudaSuccess) return device.error();
  const uint64_t extents[] = {static_cast<uint64_t>(columns), static_cast<uint64_t>(rows)}, strides[] = {static_cast<uint64_t>(stride) * 2};
  const uint32_t tile[] = {kTileColumns, tile_rows}, element_strides[] = {1, 1};
  const int error = encode(map, kTypeBf16, 2, const_cast<void*>(matrix), extents, strides, tile, element_strides, kInterleaveNone,
                           kSwizzle128Bytes, kL2Promotion256Bytes, kFillZero);
  if (error == cudaSuccess) tile_map_answers().keep(question, *map);
  return error;
}

// The bytes from `dynamic`, the start of dynamic shared memory, to the first address where a tile may start. A launch asks for
// kTileAlignment bytes more than its tiles need.
__device__ __forceinline__ size_t tile_padding(const void* dynamic) {
  const uint32_t misplaced = shared_address(dynamic) % kTileAlignment;
  return misplaced == 0 ? 0 : kTileAlignment - misplaced;
}

// Loads the tile whose first element is [row, column] to `tile` in this block's shared memory. `map` is a __grid_constant__ parameter of
// the kernel.
__device__ __forceinline__ void load_tile(void* tile, const TileMap& map, Barrier* barrier, int32_t row, int32_t column) {
#ifdef __CUDACC__
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
                   shared_address(tile)),
               "l"(reinterpret_cast<uint64_t>(&map)), "r"(shared_address(barrier)), "r"(column), "r"(row)
               : "memory");
#else
  cuda_emulation::copy_tensor_tile(shared_address(tile), &map, shared_address(barrier), column, row);
#endif
}

// Multicast: the same for every block of the cluster whose bit is set in `blocks`. The tile lands at the same address in the shared memory
// of each block, and the barrier at the same address there counts its bytes.
__device__ __forceinline__ void load_tile_for(uint16_t blocks, void* tile, const TileMap& map, Barrier* barrier, int32_t row,
                                              int32_t column) {
#ifdef __CUDACC__
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%3, %4}], [%2], "
      "%5;" ::"r"(shared_address(tile)),
      "l"(reinterpret_cast<uint64_t>(&map)), "r"(shared_address(barrier)), "r"(column), "r"(row), "h"(blocks)
      : "memory");
#else
  cuda_emulation::copy_tensor_tile_to(blocks, shared_address(tile), &map, shared_address(barrier), column, row);
#endif
}

// prefetch.tensormap: so that the first load does not wait for the map.
__device__ __forceinline__ void prefetch_tile_map([[maybe_unused]] const TileMap& map) {
#ifdef __CUDACC__
  asm volatile("prefetch.tensormap [%0];" ::"l"(reinterpret_cast<uint64_t>(&map)) : "memory");
#endif
}

}  // namespace dpo4j::cuda
