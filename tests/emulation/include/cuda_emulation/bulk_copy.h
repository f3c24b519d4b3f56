// cp.async.bulk and cp.reduce.async.bulk.add.f32 from shared to device memory, as the PTX ISA documents them, and their groups.
//
// The emulation reads shared memory in cp.async.bulk.wait_group.read, and writes device memory in cp.async.bulk.wait_group. These are the latest
// points that the PTX ISA allows; a GPU may do both earlier. The kernel is stopped if the shared memory was written
// without a proxy fence, if it changes before the wait, or if a thread exits without waiting.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <vector>

#include "execution.h"

namespace cuda_emulation {

struct BulkCopy {
  float* to;
  const float* from;
  std::vector<float> values;  // what the copy reads
  bool is_sum, has_read;
};

// engine/bulk_copies.cpp. The first two check the call; wait_for_bulk_copies() calls read(copy) and write(copy) for all copies of this thread.
void begin_bulk_copy(float* to, uint32_t from, uint32_t bytes, bool is_sum);
void bulk_commit_group();
void wait_for_bulk_copies(void (*read)(const BulkCopy&), void (*write)(const BulkCopy&));

// Compiled with the kernel, so that sanitizers see the accesses.
inline void read_bulk_copy(const BulkCopy& copy) {
  for (size_t i = 0; i < copy.values.size(); i++) {
    const float now = copy.from[i];
    if (memcmp(&now, &copy.values[i], sizeof now) != 0) fail("cp.async.bulk: shared memory was written before the copy had read it");
  }
}

inline float flushed_float(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0.0f, x) : x; }

inline void write_bulk_copy(const BulkCopy& copy) {
  for (size_t i = 0; i < copy.values.size(); i++) {
    copy.to[i] = copy.is_sum ? flushed_float(flushed_float(copy.to[i]) + flushed_float(copy.values[i])) : copy.values[i];
  }
}

// Both wait for all groups.
inline void bulk_wait_group_read() { wait_for_bulk_copies(read_bulk_copy, nullptr); }
inline void bulk_wait_group() { wait_for_bulk_copies(read_bulk_copy, write_bulk_copy); }

}  // namespace cuda_emulation
