// Tests the emulation against the CUDA C++ Programming Guide. `emulation_test` runs correct kernels and prints the checks that fail.
// `emulation_test FAULT` runs one kernel with a bug, which the emulation must report.
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cmath>
#include <cstring>

#include "../standin/standin.h"
#include "check.h"

namespace {

template <class... Parameters, class... Arguments>
cudaError_t run(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, size_t shared_bytes, Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = blocks;
  config.blockDim = threads;
  config.dynamicSmemBytes = shared_bytes;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

// ---- threads, warps, blocks ---------------------------------------------------------------------------------------------------------------

__global__ void coordinates(int* out) {
  const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] = block * 1000 + thread;
}

void every_thread_runs_once() {
  const int threads = 5 * 3 * 4, blocks = 2 * 3 * 2;
  int* out = device<int>(threads * blocks);
  CHECK(run(coordinates, dim3(2, 3, 2), dim3(5, 3, 4), 0, out) == cudaSuccess);
  for (int i = 0; i < threads * blocks; i++) CHECK(out[i] == i / threads * 1000 + i % threads);
  cudaFree(out);
}

constexpr int kShuffles = 11;

__global__ void shuffles(int* out) {
  const int lane = threadIdx.x;
  int* mine = out + lane * kShuffles;
  mine[0] = __shfl_sync(~0u, lane, 7);
  mine[1] = __shfl_sync(~0u, lane, 9, 8);  // within segments of 8: lane 1 of each
  mine[2] = __shfl_xor_sync(~0u, lane, 5);
  mine[3] = __shfl_up_sync(~0u, lane, 3);
  mine[4] = __shfl_down_sync(~0u, lane, 3);
  mine[5] = __shfl_down_sync(~0u, lane, 2, 4);
  mine[6] = static_cast<int>(__ballot_sync(~0u, lane % 3 == 0));
  mine[7] = static_cast<int>(__reduce_add_sync(~0u, static_cast<unsigned>(lane)));
  mine[8] = __reduce_max_sync(~0u, lane == 4 ? 9 : -lane);
  mine[9] = __any_sync(~0u, lane == 30) + 2 * __all_sync(~0u, lane < 31);
  // The lower half of the warp exchanges values again before the upper half has read its results.
  if (lane < 16) {
    int sum = lane;
    for (int i = 0; i < 3; i++) sum = __reduce_add_sync(0xffffu, sum) % 1000;
    mine[10] = sum;
  } else {
    mine[10] = __shfl_sync(0xffff0000u, lane, 16);
  }
}

void lanes_exchange() {
  int* out = device<int>(32 * kShuffles);
  CHECK(run(shuffles, 1, 32, 0, out) == cudaSuccess);
  unsigned thirds = 0;
  for (int lane = 0; lane < 32; lane += 3) thirds |= 1u << lane;
  for (int lane = 0; lane < 32; lane++) {
    const int* mine = out + lane * kShuffles;
    CHECK(mine[0] == 7);
    CHECK(mine[1] == lane / 8 * 8 + 1);
    CHECK(mine[2] == (lane ^ 5));
    CHECK(mine[3] == (lane < 3 ? lane : lane - 3));
    CHECK(mine[4] == (lane + 3 < 32 ? lane + 3 : lane));
    CHECK(mine[5] == (lane % 4 < 2 ? lane + 2 : lane));
    CHECK(static_cast<unsigned>(mine[6]) == thirds);
    CHECK(mine[7] == 31 * 32 / 2);
    CHECK(mine[8] == 9);
    CHECK(mine[9] == 1);
    CHECK(mine[10] == (lane < 16 ? 120 * 16 % 1000 * 16 % 1000 : 16));
  }
  cudaFree(out);
}

__global__ void barriers(int* out) {
  DPO4J_SHARED(int, turns, [2][64]);
  const int thread = threadIdx.x;
  if (thread >= 60) return;  // the barrier waits only for the threads that have not exited
  int sum = 0;
  for (int i = 0; i < 4; i++) {
    turns[i & 1][thread] = thread + i;
    __syncthreads();
    sum += turns[i & 1][(thread + 17) % 60];
  }
  out[thread * 4] = sum;
  out[thread * 4 + 1] = __syncthreads_count(thread % 2 == 0);
  out[thread * 4 + 2] = __syncthreads_and(thread < 59);
  out[thread * 4 + 3] = __syncthreads_or(thread == 59);
}

void blocks_meet() {
  int* out = device<int>(60 * 4);
  CHECK(run(barriers, 1, 64, 0, out) == cudaSuccess);
  for (int thread = 0; thread < 60; thread++) {
    CHECK(out[thread * 4] == (thread + 17) % 60 * 4 + 6);
    CHECK(out[thread * 4 + 1] == 30);
    CHECK(out[thread * 4 + 2] == 0);
    CHECK(out[thread * 4 + 3] == 1);
  }
  cudaFree(out);
}

// ---- memory -------------------------------------------------------------------------------------------------------------------------------

__global__ void unwritten_shared(float* out, size_t count) {
  DPO4J_SHARED(float, fixed, [4]);
  DPO4J_DYNAMIC_SHARED(float, dynamic);
  out[blockIdx.x * 2] = fixed[3];
  out[blockIdx.x * 2 + 1] = dynamic[count - 1];
  fixed[3] = dynamic[count - 1] = 0;
}

void memory_starts_as_nan() {
  float* out = device<float>(6);
  CHECK(std::isnan(out[0]));
  const size_t bytes = 100 << 10;
  CHECK(run(unwritten_shared, 3, 1, bytes, out, bytes / 4) == cudaErrorInvalidValue);  // no permission yet for more than 48 KiB
  CHECK(cudaGetLastError() == cudaErrorInvalidValue);
  CHECK(cudaFuncSetAttribute(unwritten_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, 228 << 10) == cudaErrorInvalidValue);
  CHECK(cudaFuncSetAttribute(unwritten_shared, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes) == cudaSuccess);
  CHECK(run(unwritten_shared, 3, 1, bytes, out, bytes / 4) == cudaSuccess);
  for (int i = 0; i < 6; i++) CHECK(std::isnan(out[i]));
  cudaFree(out);
}

// The block that arrives last adds what all blocks have written. The fence makes this correct in any order of blocks.
__global__ void last_block_adds(int* partial, int* arrived, int* total) {
  partial[blockIdx.x] = static_cast<int>(blockIdx.x);
  __threadfence();
  if (atomicAdd(arrived, 1) != static_cast<int>(gridDim.x) - 1) return;
  int sum = 0;
  for (unsigned block = 0; block < gridDim.x; block++) sum += partial[block];
  *total = sum;
}

void fences_publish() {
  int *partial = device<int>(64), *arrived = device<int>(1), *total = device<int>(1);
  *arrived = 0;
  CHECK(run(last_block_adds, 64, 1, 0, partial, arrived, total) == cudaSuccess);
  CHECK(*total == 63 * 64 / 2);
  for (int* address : {partial, arrived, total}) cudaFree(address);
}

void launches_are_refused() {
  int* out = device<int>(1);
  CHECK(run(coordinates, 1, 1025, 0, out) == cudaErrorInvalidConfiguration);
  CHECK(run(coordinates, 1, 0, 0, out) == cudaErrorInvalidConfiguration);
  CHECK(run(coordinates, dim3(1, 65536), 1, 0, out) == cudaErrorInvalidConfiguration);
  cudaLaunchConfig_t config{};
  config.stream = reinterpret_cast<cudaStream_t>(out);
  CHECK(cudaLaunchKernelEx(&config, coordinates, out) == cudaErrorInvalidResourceHandle);
  cudaLaunchAttribute cooperative{};
  cooperative.id = static_cast<cudaLaunchAttributeID>(2);
  config.stream = nullptr;
  config.attrs = &cooperative;
  config.numAttrs = 1;
  CHECK(cudaLaunchKernelEx(&config, coordinates, out) == cudaErrorNotSupported);
  cudaFree(out);
}

void the_runtime_refuses() {
  char host[8] = {};
  char* memory = device<char>(8);
  CHECK(dpo4j_standin_live_allocations() == 1);
  CHECK(cudaMemcpy(memory, host, 9, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(memory + 1, host, 8, cudaMemcpyHostToDevice) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(memory, host, 8, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(cudaMemset(host, 0, 8) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(memory, host, 8, cudaMemcpyHostToDevice) == cudaSuccess);
  CHECK(cudaFree(memory + 4) == cudaErrorInvalidValue);
  CHECK(cudaFree(memory) == cudaSuccess);
  CHECK(cudaFree(memory) == cudaErrorInvalidValue);
  CHECK(dpo4j_standin_live_allocations() == 0 && dpo4j_standin_live_handles() == 0);
}

// Expects the nearest bf16 number by distance in double precision, ties to even. Infinity counts as 2^128.
void bf16_rounds_to_nearest_even() {
  for (uint32_t upper = 0; upper < 0x7f80; upper++) {
    for (uint32_t lower : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const double below = __bfloat162float({static_cast<uint16_t>(upper)});
      const double above = upper == 0x7f7f ? 0x1p128 : __bfloat162float({static_cast<uint16_t>(upper + 1)});
      const float value = __uint_as_float(upper << 16 | lower);
      const double down = value - below, up = above - value;
      const uint32_t expected = down < up || (down == up && upper % 2 == 0) ? upper : upper + 1;
      CHECK(__bfloat16_as_ushort(__float2bfloat16_rn(value)) == expected);
      CHECK(__bfloat16_as_ushort(__float2bfloat16_rn(-value)) == (expected | 0x8000));
    }
  }
  for (uint32_t nan : {0x7f800001u, 0xff800001u, 0xffffffffu})
    CHECK(__bfloat16_as_ushort(__float2bfloat16_rn(__uint_as_float(nan))) == 0x7fff);
}

// ---- kernels that are wrong -----------------------------------------------------------------------------------------------------------------

__global__ void missing_lane() {
  if (threadIdx.x != 3) __shfl_sync(~0u, 0, 0);
  if (threadIdx.x == 3) __syncthreads();
}

__global__ void exited_lane() {
  if (threadIdx.x == 31) return;
  __syncthreads();
  __ballot_sync(~0u, 1);
}

__global__ void unordered_warp(int* out) {
  DPO4J_SHARED(int, values, [32]);
  values[threadIdx.x] = threadIdx.x;
  __shfl_sync(~0u, 0, 0);  // a shuffle synchronises lanes but does not order memory: __syncwarp is missing
  out[threadIdx.x] = values[31 - threadIdx.x];
}

// Writes the second value before other threads have read the first: a barrier is missing at the end of the loop.
__global__ void one_barrier_too_few(int* out) {
  DPO4J_SHARED(int, value, [1]);
  for (int i = 0; i < 2; i++) {
    if (threadIdx.x == 0) *value = i;
    __syncthreads();
    out[threadIdx.x] = *value;
  }
}

__global__ void unfenced(int* values, int* flag) {
  values[blockIdx.x] = 1;
  if (atomicAdd(flag, 1) == 1) values[1 - blockIdx.x] = 2;
}

__global__ void fixed_and_dynamic() {
  DPO4J_SHARED(int, fixed, [1]);
  DPO4J_DYNAMIC_SHARED(int, dynamic);
  *fixed = *dynamic = 0;
}

int run_fault(const char* fault) {
  int *out = device<int>(64), *flag = device<int>(1);
  *flag = 0;
  if (strcmp(fault, "missing_lane") == 0) run(missing_lane, 1, 32, 0);
  if (strcmp(fault, "exited_lane") == 0) run(exited_lane, 1, 32, 0);
  if (strcmp(fault, "unordered_warp") == 0) run(unordered_warp, 1, 32, 0, out);
  if (strcmp(fault, "one_barrier_too_few") == 0) run(one_barrier_too_few, 1, 64, 0, out);
  if (strcmp(fault, "with_permission") == 0) {
    cudaFuncSetAttribute(fixed_and_dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, 48 << 10);
  }
  if (strstr(fault, "permission") != nullptr) run(fixed_and_dynamic, 1, 1, 48 << 10);
  if (strcmp(fault, "unfenced") == 0) run(unfenced, 2, 1, 0, out, flag);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return run_fault(argv[1]);
  every_thread_runs_once();
  lanes_exchange();
  blocks_meet();
  memory_starts_as_nan();
  fences_publish();
  launches_are_refused();
  the_runtime_refuses();
  bf16_rounds_to_nearest_even();
  return failures == 0 ? 0 : 1;
}
