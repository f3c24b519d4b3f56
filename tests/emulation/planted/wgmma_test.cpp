// Tests WGMMA in every shape and layout of kernels/wgmma.cuh. The expected fragments and layouts are written down from the PTX ISA.
// `wgmma_test` runs correct kernels; `wgmma_test FAULT` runs one kernel with a bug.
#include "wgmma.cuh"

#include <cstring>

#include "check.h"

namespace {

using namespace dpo4j::cuda;

constexpr int kGroup = 128, kDepth = 64;
constexpr int kTileBytes = kDepth * kTileRowBytes;  // 64 rows of 64 k, or the transpose
constexpr size_t kBytes = kTileAlignment + 5 * kTileBytes;

LaunchContext context() {
  LaunchContext context{};
  CHECK(make_launch_context(&context, 0, nullptr) == cudaSuccess);
  return context;
}

float value(int row, int k) { return static_cast<float>((row * 37 + k * 11) % 61 - 30) / 4; }
float other_value(int row, int k) { return static_cast<float>((row * 23 + k * 17) % 53 - 26) / 4; }

// A bf16 matrix [rows, kDepth], or its transpose, in device memory without padding between rows.
template <class Value>
__nv_bfloat16* matrix(int rows, Major major, Value value) {
  auto* matrix = device<__nv_bfloat16>(static_cast<size_t>(rows) * kDepth);
  for (int row = 0; row < rows; row++) {
    for (int k = 0; k < kDepth; k++) {
      matrix[major == Major::kDepth ? row * kDepth + k : k * rows + row] = __float2bfloat16_rn(value(row, k));
    }
  }
  return matrix;
}

TileMap map_of(const __nv_bfloat16* matrix, int rows, Major major) {
  TileMap map;
  const bool transposed = major == Major::kRows;
  CHECK(encode_tile_map(context(), &map, matrix, transposed ? kDepth : rows, transposed ? rows : kDepth, transposed ? rows : kDepth,
                        kDepth) == cudaSuccess);
  return map;
}

__device__ unsigned char* tiles() {
  DPO4J_DYNAMIC_SHARED(unsigned char, shared);
  return shared + (kTileAlignment - shared_address(shared) % kTileAlignment) % kTileAlignment;
}

// One thread loads the tiles of a matrix with this number of rows, one after another.
__device__ void load(unsigned char* to, const TileMap& map, int rows, Major major, Barrier* landed) {
  for (int tile = 0; tile < rows / 64; tile++) {
    load_tile(to + tile * kTileBytes, map, landed, major == Major::kRows ? 0 : 64 * tile, major == Major::kRows ? 64 * tile : 0);
  }
}

__device__ uint64_t descriptor(const unsigned char* tile, Major major) {
  return major == Major::kRows ? transposed_descriptor(shared_address(tile), kTileBytes) : tile_descriptor(shared_address(tile));
}

__device__ void begin(Barrier* landed) {
  if (threadIdx.x == 0) {
    barrier_init(landed, 1);
    fence_barrier_init();
  }
  __syncthreads();
}

// "Register Fragments for wgmma.mma_async.m64nNk16", matrix A: register i of a lane holds two neighbours in a row.
template <class Value>
__device__ uint32_t fragment(int i, int k, Value value) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int row = 16 * warp + lane / 4 + i % 2 * 8, column = 16 * k + lane % 4 * 2 + i / 2 * 8;
  const uint32_t low = __bfloat16_as_ushort(__float2bfloat16_rn(value(row, column)));
  const uint32_t high = __bfloat16_as_ushort(__float2bfloat16_rn(value(row, column + 1)));
  return low | high << 16;
}

template <int N>
__device__ void store(const float (&d)[N], float* out) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int n = 0; n < N; n++) {
    const int row = 16 * warp + lane / 4 + n % 4 / 2 * 8, column = n / 4 * 8 + lane % 4 * 2 + n % 2;
    out[row * 2 * N + column] = d[n];
  }
}

// out = 2 a b^T. The first product reads a from shared memory, the second from shared memory or from registers.
template <int N, Major A, Major B>
__global__ void multiply(TileMap a, TileMap b, bool from_registers, float* out) {
  DPO4J_SHARED(Barrier, landed, [1]);
  unsigned char *tile_a = tiles(), *tile_b = tile_a + kTileBytes;
  begin(landed);
  if (threadIdx.x == 0) {
    barrier_arrive_expecting(landed, kTileBytes * (1 + N / 32));
    load(tile_a, a, 64, A, landed);
    load(tile_b, b, 2 * N, B, landed);
  }
  barrier_wait(landed, 0);
  float d[N];
  wgmma_fence();
  for (int k = 0; k < kDepth / kProductDepth; k++) {
    wgmma<A, B>(d, descriptor(tile_a, A) + k * kNext<A>, descriptor(tile_b, B) + k * kNext<B>, k > 0);
  }
  wgmma_commit();
  uint32_t registers[kDepth / kProductDepth][4];
  for (int k = 0; k < kDepth / kProductDepth; k++) {
    for (int i = 0; i < 4; i++) registers[k][i] = fragment(i, k, value);
  }
  wgmma_operands(registers);
  wgmma_fence();
  for (int k = 0; k < kDepth / kProductDepth; k++) {
    if (from_registers) {
      wgmma<B>(d, registers[k], descriptor(tile_b, B) + k * kNext<B>, true);
    } else {
      wgmma<A, B>(d, descriptor(tile_a, A) + k * kNext<A>, descriptor(tile_b, B) + k * kNext<B>, true);
    }
  }
  wgmma_commit();
  wgmma_wait<0>();
  wgmma_results(d);
  wgmma_operands(registers);
  for (int i = 0; i < 4; i++) {
    if (registers[3][i] != fragment(i, 3, value)) return;  // out stays NaN
  }
  store(d, out);
}

template <int N, Major A, Major B>
void products_are_exact() {
  const __nv_bfloat16 *a = matrix(64, A, value), *b = matrix(2 * N, B, other_value);
  for (bool from_registers : {false, true}) {
    auto* out = device<float>(64 * 2 * N);
    CHECK(launch(context(), multiply<N, A, B>, 1, kGroup, kBytes, map_of(a, 64, A), map_of(b, 2 * N, B), from_registers, out) ==
          cudaSuccess);
    for (int row = 0; row < 64; row++) {
      for (int column = 0; column < 2 * N; column++) {
        double sum = 0;
        for (int k = 0; k < kDepth; k++) sum += static_cast<double>(value(row, k)) * other_value(column, k);
        CHECK(out[row * 2 * N + column] == 2 * sum);  // exact: multiples of 1/16 that fp32 can represent
      }
    }
    cudaFree(out);
  }
  cudaFree(const_cast<__nv_bfloat16*>(a));
  cudaFree(const_cast<__nv_bfloat16*>(b));
}

template <int N>
void all_layouts() {
  products_are_exact<N, Major::kDepth, Major::kDepth>();
  products_are_exact<N, Major::kDepth, Major::kRows>();
  products_are_exact<N, Major::kRows, Major::kDepth>();
  products_are_exact<N, Major::kRows, Major::kRows>();
}

// Threads store matrix a to shared memory in the 128-byte swizzle ("Swizzling Modes") instead of TMA.
__global__ void multiply_stored(TileMap b, float* out) {
  DPO4J_SHARED(Barrier, landed, [1]);
  unsigned char *tile_a = tiles(), *tile_b = tile_a + kTileBytes;
  begin(landed);
  if (threadIdx.x == 0) {
    barrier_arrive_expecting(landed, kTileBytes);
    load(tile_b, b, 64, Major::kDepth, landed);
  }
  for (int i = threadIdx.x; i < 64 * kDepth; i += kGroup) {
    const int row = i / kDepth, k = i % kDepth;
    reinterpret_cast<__nv_bfloat16*>(tile_a)[row * 64 + (k / 8 ^ row % 8) * 8 + k % 8] = __float2bfloat16_rn(value(row, k));
  }
  fence_async_proxy();
  __syncthreads();
  barrier_wait(landed, 0);
  float d[32];
  wgmma_fence();
  for (int k = 0; k < 4; k++) {
    wgmma(d, tile_descriptor(shared_address(tile_a)) + k * kNextDepth, tile_descriptor(shared_address(tile_b)) + k * kNextDepth, k > 0);
  }
  wgmma_commit();
  wgmma_wait<0>();
  wgmma_results(d);
  store(d, out);
}

void stored_operands_are_seen() {
  const __nv_bfloat16* b = matrix(64, Major::kDepth, other_value);
  auto* out = device<float>(64 * 64);
  CHECK(launch(context(), multiply_stored, 1, kGroup, kBytes, map_of(b, 64, Major::kDepth), out) == cudaSuccess);
  for (int row = 0; row < 64; row++) {
    for (int column = 0; column < 64; column++) {
      double sum = 0;
      for (int k = 0; k < kDepth; k++) sum += static_cast<double>(value(row, k)) * other_value(column, k);
      CHECK(out[row * 64 + column] == sum);
    }
  }
  cudaFree(const_cast<__nv_bfloat16*>(b));
  cudaFree(out);
}

// ---- kernels that are wrong -------------------------------------------------------------------------------------------------------------

enum Fault {
  kReadLent,
  kWrittenLent,
  kWrittenAccumulator,
  kNoProxyFence,
  kStoredMeanwhile,
  kMisplacedTranspose,
  kWrongStride,
  kOtherMajor,
  kOtherLeft,
  kNone
};
constexpr const char* kNames[] = {"read_lent",           "written_lent", "written_accumulator", "no_proxy_fence", "stored_meanwhile",
                                  "misplaced_transpose", "wrong_stride", "other_major",         "other_left",     "none"};

// Multiplies a matrix of ones by one of ones, with the bug FAULT. Matrix a is in registers or in shared memory.
template <Fault FAULT>
__global__ void wrong(TileMap ones, float* out) {
  DPO4J_SHARED(Barrier, landed, [1]);
  unsigned char *tile_a = tiles(), *tile_b = tile_a + kTileBytes;
  begin(landed);
  if (threadIdx.x == 0) {
    barrier_arrive_expecting(landed, kTileBytes);
    load_tile(tile_b, ones, landed, 0, 0);
  }
  auto* stored = reinterpret_cast<__nv_bfloat16*>(tile_a);
  for (int i = threadIdx.x; i < kTileBytes / 2; i += kGroup) stored[i] = __float2bfloat16_rn(1);
  if (FAULT != kNoProxyFence) fence_async_proxy();
  __syncthreads();
  barrier_wait(landed, 0);
  uint32_t a[1][4];
  for (uint32_t& pair : a[0]) pair = 0x3F803F80;
  wgmma_operands(a);
  float d[32];
  uint64_t b = transposed_descriptor(shared_address(tile_b), kTileBytes);
  if (FAULT == kMisplacedTranspose) b += kNextDepth;
  if (FAULT == kWrongStride) b ^= uint64_t{1} << 32;
  constexpr bool kShared = FAULT == kNoProxyFence || FAULT == kStoredMeanwhile || FAULT == kOtherMajor;
  wgmma_fence();
  if (kShared || (FAULT == kOtherLeft && threadIdx.x % 32 == 9)) {
    const uint64_t left = tile_descriptor(shared_address(tile_a));
    if (FAULT == kOtherMajor && threadIdx.x % 32 == 3) {
      wgmma<Major::kRows, Major::kRows>(d, left, b, false);
    } else {
      wgmma<Major::kDepth, Major::kRows>(d, left, b, false);
    }
  } else {
    wgmma<Major::kRows>(d, a[0], b, false);
  }
  wgmma_commit();
  float meanwhile = 0;
  if (FAULT == kReadLent) meanwhile = __uint_as_float(a[0][1] << 16);
  if (FAULT == kWrittenLent) a[0][2] = 0;
  if (FAULT == kWrittenAccumulator) d[5] = 1;
  if (FAULT == kStoredMeanwhile && threadIdx.x == 40) stored[0] = __float2bfloat16_rn(2);
  if (FAULT == kStoredMeanwhile) __syncthreads();
  wgmma_wait<0>();
  wgmma_results(d);
  out[threadIdx.x] = FAULT == kReadLent ? meanwhile : d[7];
}

template <int FAULT = 0>
int run_fault(const char* name) {
  if constexpr (FAULT <= kNone) {
    if (strcmp(name, kNames[FAULT]) != 0) return run_fault<FAULT + 1>(name);
    const __nv_bfloat16* ones = matrix(64, Major::kRows, [](int, int) { return 1.0f; });
    auto* out = device<float>(kGroup);
    CHECK(launch(context(), wrong<static_cast<Fault>(FAULT)>, 1, kGroup, kBytes, map_of(ones, 64, Major::kRows), out) == cudaSuccess);
    for (int thread = 0; thread < kGroup; thread++) {
      if (out[thread] == kProductDepth) continue;
      printf("the kernel's result is %g\n", out[thread]);
      return 1;
    }
  } else {
    printf("no fault is called %s\n", name);
    return 2;
  }
  return failures;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return run_fault(argv[1]);
  all_layouts<32>();
  all_layouts<64>();
  all_layouts<128>();
  stored_operands_are_seen();
  return failures == 0 ? 0 : 1;
}
