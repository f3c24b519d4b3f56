// The stand-in libcudart: cuTensorMapEncodeTiled, the only driver function that cudaGetDriverEntryPointByVersion returns here. It refuses
// what the driver documents as invalid, and what the emulated TMA does not support.
#include <string.h>

#include "../include/cuda_emulation/tensor_map.h"
#include "cudart.h"

namespace {

constexpr int kDriverSuccess = 0, kDriverInvalidValue = 1, kDriverInvalidContext = 201;
constexpr uint64_t kMaxExtent = uint64_t{1} << 32, kStrideEnd = uint64_t{1} << 40;
constexpr uint32_t kMaxTile = 256, kChunkBytes = 16;

// CUtensorMapDataType in its order, as far as elements are whole bytes.
constexpr uint32_t kElementBytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
// CUtensorMapSwizzle in its order: none, 32, 64, 128 bytes.
constexpr uint32_t kSwizzleBytes[] = {0, 32, 64, 128};

int encode_tiled(void* map, int type, uint32_t rank, void* address, const uint64_t* extents, const uint64_t* strides, const uint32_t* tile,
                 const uint32_t* element_strides, int interleave, int swizzle, int l2_promotion, int fill) {
  using cuda_emulation::TensorMap;
  dpo4j_standin_count(kTensorMaps);
  if (!cudart::has_context()) return kDriverInvalidContext;
  if (map == nullptr || reinterpret_cast<uintptr_t>(map) % 64 != 0 || rank != 2 || interleave != 0 || fill != 0) return kDriverInvalidValue;
  if (type < 0 || type >= static_cast<int>(sizeof kElementBytes / sizeof *kElementBytes)) return kDriverInvalidValue;
  if (swizzle < 0 || swizzle >= static_cast<int>(sizeof kSwizzleBytes / sizeof *kSwizzleBytes)) return kDriverInvalidValue;
  if (l2_promotion < 0 || l2_promotion > 3) return kDriverInvalidValue;
  if (address == nullptr || reinterpret_cast<uintptr_t>(address) % kChunkBytes != 0) return kDriverInvalidValue;
  const uint32_t element = kElementBytes[type], row = tile[0] * element;
  for (int i = 0; i < 2; i++) {
    if (extents[i] == 0 || extents[i] > kMaxExtent || tile[i] == 0 || tile[i] > kMaxTile || element_strides[i] != 1)
      return kDriverInvalidValue;
  }
  if (strides[0] % kChunkBytes != 0 || strides[0] >= kStrideEnd || strides[0] < extents[0] * element) return kDriverInvalidValue;
  if (row % kChunkBytes != 0 || (swizzle != 0 && row > kSwizzleBytes[swizzle])) return kDriverInvalidValue;
  const TensorMap encoded{TensorMap::kMark, static_cast<char*>(address), {extents[0], extents[1]}, strides[0], {tile[0], tile[1]},
                          element,          kSwizzleBytes[swizzle]};
  memset(map, 0, 128);
  memcpy(map, &encoded, sizeof encoded);
  return kDriverSuccess;
}

}  // namespace

DPO4J_STANDIN cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned version, unsigned long long flags,
                                                           cudaDriverEntryPointQueryResult* found) {
  constexpr unsigned kSinceVersion = 12000;
  if (symbol == nullptr || function == nullptr || flags != cudaEnableDefault) return dpo4j_standin_report(cudaErrorInvalidValue);
  const bool known = strcmp(symbol, "cuTensorMapEncodeTiled") == 0;
  *function = known && version >= kSinceVersion ? reinterpret_cast<void*>(&encode_tiled) : nullptr;
  if (found != nullptr) {
    *found = !known ? cudaDriverEntryPointSymbolNotFound
                    : (version >= kSinceVersion ? cudaDriverEntryPointSuccess : cudaDriverEntryPointVersionNotSufficent);
  }
  return CALL(cudaSuccess);
}
