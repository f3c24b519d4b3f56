// TMA: PTX ISA, "cp.async.bulk.tensor". When a copy is issued, its destination becomes NaN. It lands when no thread can continue, or in a
// random schedule at any time. So a thread that does not wait for it reads NaN, and so does a thread that still needs the old contents.
#include <string.h>

#include <algorithm>

#include "block.h"
#include "cluster.h"

namespace cuda_emulation {
namespace {

constexpr uint32_t kChunkBytes = 16, kDestinationAlignment = 128, kMapAlignment = 64;

// "Swizzling Modes": the 16-byte chunks of 128, 64 or 32 bytes are permuted by the address of the 128 bytes that contain them.
uint32_t swizzled(uint32_t address, uint32_t swizzle_bytes) {
  if (swizzle_bytes == 0) return address;
  const uint32_t chunks = swizzle_bytes / kChunkBytes;  // 8, 4, 2: bits 7 to 9, 7 to 8, 7
  return address ^ ((address >> 7) % chunks * kChunkBytes);
}

// One chunk of a row of a tile, from column x on. Elements outside the matrix are 0.
void load_chunk(char* to, const TensorMap& map, int64_t x, int64_t y) {
  memset(to, 0, kChunkBytes);
  if (y < 0 || y >= static_cast<int64_t>(map.extent[1])) return;
  const char* row = map.address + static_cast<uint64_t>(y) * map.stride;
  const int64_t elements = kChunkBytes / map.element_bytes, end = static_cast<int64_t>(map.extent[0]);
  const int64_t first = std::max<int64_t>(x, 0), last = std::min(x + elements, end);
  if (first < last) memcpy(to + (first - x) * map.element_bytes, row + first * map.element_bytes, (last - first) * map.element_bytes);
}

void land(const Copy& copy) {
  const TensorMap& map = copy.map;
  const uint32_t row_bytes = map.tile[0] * map.element_bytes, chunk_elements = kChunkBytes / map.element_bytes;
  for (const Copy::Destination& destination : copy.destinations) {
    if (destination.block->live() == 0) fail("cp.async.bulk.tensor: a tile lands in a block that has exited");
    char* base = destination.block->at(destination.to, copy.bytes(), "cp.async.bulk.tensor") - destination.to;
    for (uint32_t row = 0; row < map.tile[1]; row++) {
      for (uint32_t at = 0; at < row_bytes; at += kChunkBytes) {
        const uint32_t address = swizzled(destination.to + row * row_bytes + at, map.swizzle_bytes);
        load_chunk(base + address, map, copy.x + static_cast<int64_t>(at / kChunkBytes) * chunk_elements,
                   copy.y + static_cast<int64_t>(row));
        memcpy(destination.block->seen_byte(address), base + address, kChunkBytes);
      }
    }
    destination.block->landed(destination.barrier, copy.bytes());
  }
}

TensorMap read_map(const void* address) {
  if (reinterpret_cast<uintptr_t>(address) % kMapAlignment != 0) fail("cp.async.bulk.tensor: the tensor map is not aligned to 64 bytes");
  TensorMap map;
  memcpy(&map, address, sizeof map);
  if (map.mark != TensorMap::kMark) fail("cp.async.bulk.tensor: %p is not a tensor map", address);
  return map;
}

void start(uint32_t blocks, uint32_t to, const void* map_address, uint32_t barrier, int32_t x, int32_t y) {
  constexpr const char* kOperation = "cp.async.bulk.tensor";
  Block& own = *running().block;
  Copy copy{read_map(map_address), x, y, {}};
  const uint32_t pattern = copy.map.swizzle_bytes * 8;
  if (to % kDestinationAlignment != 0) fail("%s: the destination %#x is not aligned to 128 bytes", kOperation, to);
  if (pattern != 0 && to % pattern != 0) fail("%s: the destination %#x is not where the swizzle's %u bytes begin", kOperation, to, pattern);
  for (unsigned rank = 0; blocks >> rank != 0; rank++) {
    if ((blocks >> rank & 1) == 0) continue;
    Block& block = own.cluster().block(own, rank);
    if (!block.barrier_at(barrier, kOperation).fenced) fail("%s: the barrier at %#x was initialised without a fence", kOperation, barrier);
    fill_with_ff(block.at(to, copy.bytes(), kOperation), copy.bytes());
    fill_with_ff(block.seen_byte(to), copy.bytes());
    copy.destinations.push_back({&block, to, barrier});
  }
  own.cluster().start_copy(std::move(copy));
}

}  // namespace

bool Cluster::land_copy() {
  if (copies_.empty()) return false;
  const size_t which = settings().schedule == Schedule::kRandom ? random_.next() % copies_.size() : 0;
  const Copy copy = std::move(copies_[which]);
  copies_.erase(copies_.begin() + static_cast<ptrdiff_t>(which));
  land(copy);
  return true;
}

bool Cluster::has_copy_to(const Block& block) const {
  for (const Copy& copy : copies_) {
    for (const Copy::Destination& destination : copy.destinations) {
      if (destination.block == &block) return true;
    }
  }
  return false;
}

void copy_tensor_tile(uint32_t to, const void* map, uint32_t barrier, int32_t x, int32_t y) {
  start(1u << running().block->rank(), to, map, barrier, x, y);
}

void copy_tensor_tile_to(uint16_t blocks, uint32_t to, const void* map, uint32_t barrier, int32_t x, int32_t y) {
  start(blocks, to, map, barrier, x, y);
}

}  // namespace cuda_emulation
