// mma.sync, ldmatrix and cp.async as the PTX ISA documents them, under the names of kernels/mma.cuh.
//
// Stricter than a device: the destination of cp.async is NaN until the thread has waited for it, and a thread that exits without waiting is
// stopped. The PTX ISA does not say how mma.sync rounds. Here sums are truncated, the largest error that fp32 precision allows.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "execution.h"

namespace cuda_emulation {

// engine/async_copies.cpp
struct AsyncCopy {
  void* to;
  const void* from;  // null: zeros
};
void begin_copy(const AsyncCopy& copy);
void commit_copies();
void finish_copies(int groups_left, void (*finish)(const AsyncCopy&));

// Stops the kernel if the address is not in its block's shared memory, or not a multiple of 16.
void require_shared_16(const void* address, const char* operation);

constexpr unsigned kWholeWarp = 0xffffffffu;

// ---- cp.async -------------------------------------------------------------------------------------------------------------------------

// Compiled with the kernel, so that sanitizers see its reads and writes.
inline void finish_copy(const AsyncCopy& copy) {
  if (copy.from != nullptr) {
    *static_cast<uint4*>(copy.to) = *static_cast<const uint4*>(copy.from);
  } else {
    *static_cast<uint4*>(copy.to) = make_uint4(0, 0, 0, 0);
  }
}

inline void cp_async_16(void* shared, const void* global, bool exists) {
  require_shared_16(shared, "cp.async");
  if (reinterpret_cast<uintptr_t>(global) % 16 != 0) fail("cp.async: %p is not on 16 bytes", global);
  *static_cast<uint4*>(shared) = make_uint4(~0u, ~0u, ~0u, ~0u);
  begin_copy({shared, exists ? global : nullptr});
}

inline void cp_async_commit() { commit_copies(); }

template <int GROUPS>
void cp_async_wait() {
  finish_copies(GROUPS, finish_copy);
}

// ---- ldmatrix -------------------------------------------------------------------------------------------------------------------------

// x[i] of lane 4 r + c: row r, columns 2 c and 2 c + 1 of matrix i. Lane 8 i + r passes the address of row r of matrix i.
inline void ldmatrix_x4(uint32_t (&x)[4], const void* row) {
  require_shared_16(row, "ldmatrix");
  const Exchange& rows = exchange(kWholeWarp, to_lane_value(row), "ldmatrix");
  for (int i = 0; i < 4; i++) {
    const char* row_address = from_lane_value<const char*>(rows.values[8 * i + lane() / 4]);
    x[i] = *reinterpret_cast<const uint32_t*>(row_address + 4 * (lane() % 4));
  }
}

inline void ldmatrix_x4_trans(uint32_t (&x)[4], const void* row) {
  require_shared_16(row, "ldmatrix");
  const Exchange& rows = exchange(kWholeWarp, to_lane_value(row), "ldmatrix");
  for (int i = 0; i < 4; i++) {
    const int first = 8 * i + 2 * (lane() % 4), column = lane() / 4;
    const uint32_t low = from_lane_value<const uint16_t*>(rows.values[first])[column];
    const uint32_t high = from_lane_value<const uint16_t*>(rows.values[first + 1])[column];
    x[i] = low | high << 16;
  }
}

// ---- mma ------------------------------------------------------------------------------------------------------------------------------

inline float bf16_to_float(uint32_t bits) {
  const uint32_t word = bits << 16;
  float value;
  memcpy(&value, &word, sizeof value);
  return value;
}

// Rounds to fp32, towards 0. There is one NaN.
inline float cut(double x) {
  uint32_t bits = 0x7FFFFFFFu;
  float value = static_cast<float>(x);
  if (x == x) memcpy(&bits, &value, sizeof bits);
  if (fabs(static_cast<double>(value)) > fabs(x) && !isinf(value)) bits--;
  memcpy(&value, &bits, sizeof value);
  return value;
}

inline void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  const int group = lane() / 4, member = lane() % 4;
  double left[2][16], right[2][16];
  const Exchange& a_lanes = exchange(kWholeWarp, to_lane_value(make_uint4(a[0], a[1], a[2], a[3])), "mma");
  for (int owner = 0; owner < 4; owner++) {
    const uint4 word = from_lane_value<uint4>(a_lanes.values[4 * group + owner]);
    const uint32_t halves[4] = {word.x, word.y, word.z, word.w};
    for (int i = 0; i < 8; i++) {
      const bool upper = i < 2 || (i >= 4 && i < 6);
      left[upper ? 0 : 1][2 * owner + i % 2 + (i < 4 ? 0 : 8)] = bf16_to_float(halves[i / 2] >> 16 * (i % 2) & 0xFFFFu);
    }
  }
  const Exchange& b_lanes = exchange(kWholeWarp, to_lane_value(make_uint2(b0, b1)), "mma");
  for (int column = 0; column < 2; column++) {
    for (int owner = 0; owner < 4; owner++) {
      const uint2 word = from_lane_value<uint2>(b_lanes.values[4 * (2 * member + column) + owner]);
      const uint32_t halves[2] = {word.x, word.y};
      for (int i = 0; i < 4; i++) {
        right[column][2 * owner + i % 2 + (i < 2 ? 0 : 8)] = bf16_to_float(halves[i / 2] >> 16 * (i % 2) & 0xFFFFu);
      }
    }
  }
  for (int i = 0; i < 4; i++) {
    double sum = d[i];
    for (int k = 0; k < 16; k++) sum += left[i / 2][k] * right[i % 2][k];
    d[i] = cut(sum);
  }
}

}  // namespace cuda_emulation
