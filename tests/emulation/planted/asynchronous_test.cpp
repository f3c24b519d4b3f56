// Tests the emulation of barriers, TMA and WGMMA through the kernels' headers. The expected layouts are written down from the PTX ISA.
// `asynchronous_test` runs correct kernels and prints the checks that fail; `asynchronous_test FAULT` runs one kernel with a bug.
#include <cmath>
#include <cstring>

#include "check.h"
#include "cluster.cuh"
#include "wgmma.cuh"

namespace {

using namespace dpo4j::cuda;

constexpr int kGroup = 128;
constexpr int kTileBytes = kProductRows * kTileRowBytes, kWideTileBytes = kProductColumns * kTileRowBytes;
constexpr size_t kBytes = kTileAlignment + kTileBytes + kWideTileBytes;

LaunchContext context() {
  LaunchContext context{};
  CHECK(make_launch_context(&context, 0, nullptr) == cudaSuccess);
  return context;
}

// The first address in dynamic shared memory at which a tile may begin.
__device__ unsigned char* tiles() {
  DPO4J_DYNAMIC_SHARED(unsigned char, shared);
  return shared + (kTileAlignment - shared_address(shared) % kTileAlignment) % kTileAlignment;
}

__device__ void initialise(Barrier* barrier, uint32_t arrivals) {
  if (threadIdx.x == 0) {
    barrier_init(barrier, arrivals);
    fence_barrier_init();
  }
  __syncthreads();
}

float value(int64_t row, int64_t column) { return static_cast<float>((row * 37 + column * 11) % 61 - 30) / 4; }

// A bf16 matrix of value() with rows `stride` apart. The padding between rows stays NaN.
__nv_bfloat16* matrix(int rows, int columns, int stride) {
  auto* matrix = device<__nv_bfloat16>(static_cast<size_t>(rows) * stride);
  for (int row = 0; row < rows; row++) {
    for (int column = 0; column < columns; column++) matrix[row * stride + column] = __float2bfloat16_rn(value(row, column));
  }
  return matrix;
}

TileMap map_of(const void* matrix, int rows, int columns, int stride, int tile_rows) {
  TileMap map;
  CHECK(encode_tile_map(context(), &map, matrix, rows, columns, stride, tile_rows) == cudaSuccess);
  return map;
}

// ---- TMA ----------------------------------------------------------------------------------------------------------------------------------

__global__ void copy_out(TileMap map, int32_t row, int32_t column, uint16_t* out) {
  DPO4J_SHARED(Barrier, landed, [1]);
  unsigned char* tile = tiles();
  initialise(landed, 1);
  if (threadIdx.x == 0) {
    barrier_arrive_expecting(landed, kTileBytes);
    load_tile(tile, map, landed, row, column);
  }
  barrier_wait(landed, 0);
  for (int i = threadIdx.x; i < kTileBytes / 2; i += kGroup) out[i] = reinterpret_cast<uint16_t*>(tile)[i];
}

// Tables of the PTX ISA, "Swizzling Modes", 128 bytes: in row r of a pattern of eight, word c is where word c xor r is without a swizzle.
void tiles_are_swizzled_and_filled_up() {
  constexpr int kRows = 100, kColumns = 83, kStride = 88;
  const __nv_bfloat16* in = matrix(kRows, kColumns, kStride);
  auto* out = device<uint16_t>(kTileBytes / 2);
  const TileMap map = map_of(in, kRows, kColumns, kStride, kProductRows);
  const int corners[][2] = {{0, 0}, {64, 64}, {36, 19}, {-5, -3}, {100, 0}, {0, 83}, {99, 82}};
  for (const auto& corner : corners) {
    CHECK(launch(context(), copy_out, 1, kGroup, kBytes, map, corner[0], corner[1], out) == cudaSuccess);
    for (int r = 0; r < kProductRows; r++) {
      for (int c = 0; c < kTileColumns; c++) {
        const int row = corner[0] + r, column = corner[1] + c;
        const bool within = row >= 0 && row < kRows && column >= 0 && column < kColumns;
        const float actual = __bfloat162float({out[r * 64 + (c / 8 ^ r % 8) * 8 + c % 8]});
        CHECK(actual == (within ? value(row, column) : 0));
      }
    }
  }
  cudaFree(const_cast<__nv_bfloat16*>(in));
  cudaFree(out);
}

void maps_are_refused() {
  TileMap map;
  const __nv_bfloat16* in = matrix(4, 16, 16);
  CHECK(encode_tile_map(context(), &map, in, 4, 16, 16, 256) == cudaSuccess);
  CHECK(encode_tile_map(context(), &map, in, 4, 16, 16, 257) != cudaSuccess);
  CHECK(encode_tile_map(context(), &map, in, 4, 16, 16, 0) != cudaSuccess);
  CHECK(encode_tile_map(context(), &map, in + 4, 3, 16, 16, 8) != cudaSuccess);
  CHECK(encode_tile_map(context(), &map, in, 4, 12, 12, 8) != cudaSuccess);
  CHECK(encode_tile_map(context(), &map, in, 4, 16, 8, 8) != cudaSuccess);
  CHECK(encode_tile_map(context(), &map, in, 0, 16, 16, 8) != cudaSuccess);
  CHECK(encode_tile_map(context(), &map, nullptr, 4, 16, 16, 8) != cudaSuccess);
  cudaFree(const_cast<__nv_bfloat16*>(in));
}

// Each of two blocks loads half of the rows, by multicast to both.
__global__ void copy_for_both(TileMap map, uint16_t* out) {
  DPO4J_SHARED(Barrier, landed, [1]);
  unsigned char* tile = tiles();
  const uint32_t rank = cluster_rank();
  if (threadIdx.x == 0) {
    barrier_init(landed, 1);
    fence_barrier_init();
  }
  cluster_sync();
  if (threadIdx.x == 0) {
    barrier_arrive_expecting(landed, kTileBytes);
    load_tile_for(3, tile + rank * (kTileBytes / 2), map, landed, static_cast<int32_t>(rank) * 32, 0);
  }
  barrier_wait(landed, 0);
  for (int i = threadIdx.x; i < kTileBytes / 2; i += kGroup) out[blockIdx.x * kTileBytes / 2 + i] = reinterpret_cast<uint16_t*>(tile)[i];
  cluster_sync();
}

void clusters_share_tiles() {
  const __nv_bfloat16* in = matrix(64, 64, 64);
  auto* out = device<uint16_t>(4 * kTileBytes / 2);
  CHECK(launch_clusters(context(), 2, copy_for_both, 4, kGroup, kBytes, map_of(in, 64, 64, 64, 32), out) == cudaSuccess);
  for (int i = 0; i < 4 * kTileBytes / 2; i++) {
    const int r = i / 64 % 64, c = (i % 64 / 8 ^ r % 8) * 8 + i % 8;
    CHECK(__bfloat162float({out[i]}) == value(r, c));
  }
  cudaFree(const_cast<__nv_bfloat16*>(in));
  cudaFree(out);
}

// ---- barriers -----------------------------------------------------------------------------------------------------------------------------

// Two warps update a number alternately; each waits for the other's barrier, one phase per update.
__global__ void pass_back_and_forth(int* out) {
  DPO4J_SHARED(Barrier, there, [2]);
  DPO4J_SHARED(int, number, [1]);
  if (threadIdx.x == 0) {
    barrier_init(&there[0], 32);
    barrier_init(&there[1], 32);
    fence_barrier_init();
    *number = 0;
  }
  __syncthreads();
  const int warp = static_cast<int>(threadIdx.x) / 32;
  for (uint32_t turn = 0; turn < 5; turn++) {
    if (warp == 0) barrier_wait(&there[1], turn % 2 ^ 1);
    if (warp == 1) barrier_wait(&there[0], turn % 2);
    __syncwarp();
    if (threadIdx.x % 32 == 0) *number = *number * 2 + 1 + warp;
    __syncwarp();
    barrier_arrive(&there[warp]);
  }
  if (warp == 0) barrier_wait(&there[1], 0);
  if (threadIdx.x == 0) *out = *number;
}

void phases_alternate() {
  int* out = device<int>(1);
  CHECK(launch(context(), pass_back_and_forth, 1, 64, 0, out) == cudaSuccess);
  int expected = 0;
  for (int i = 0; i < 10; i++) expected = expected * 2 + 1 + i % 2;
  CHECK(*out == expected);
  cudaFree(out);
}

__global__ void arrive_at_neighbour(int* out) {
  DPO4J_SHARED(Barrier, barrier, [1]);
  if (threadIdx.x == 0) {
    barrier_init(barrier, 2);
    fence_barrier_init();
  }
  cluster_sync();
  if (threadIdx.x < 2) barrier_arrive_at(barrier, threadIdx.x);
  barrier_wait(barrier, 0);
  if (threadIdx.x == 0) out[blockIdx.x] = 1;
  cluster_sync();
}

void clusters_arrive() {
  int* out = device<int>(4);
  CHECK(launch_clusters(context(), 2, arrive_at_neighbour, 4, 32, 0, out) == cudaSuccess);
  for (int block = 0; block < 4; block++) CHECK(out[block] == 1);
  cudaFree(out);
}

// ---- products -----------------------------------------------------------------------------------------------------------------------------

// out[64, 256] = times a b^T: the product is accumulated `times` times before it is read. Layout of D: PTX ISA, "Register Fragments".
__global__ void multiply(TileMap a, TileMap b, int times, float* out) {
  DPO4J_SHARED(Barrier, landed, [1]);
  unsigned char *tile_a = tiles(), *tile_b = tile_a + kTileBytes;
  initialise(landed, 1);
  if (threadIdx.x == 0) {
    barrier_arrive_expecting(landed, kTileBytes + kWideTileBytes);
    load_tile(tile_a, a, landed, 0, 0);
    load_tile(tile_b, b, landed, 0, 0);
  }
  barrier_wait(landed, 0);
  float d[kAccumulators];
  for (int time = 0; time < times; time++) {
    wgmma_fence();
    for (int k = 0; k < 4; k++) {
      wgmma(d, tile_descriptor(shared_address(tile_a)) + k * kNextDepth, tile_descriptor(shared_address(tile_b)) + k * kNextDepth,
            time > 0 || k > 0);
    }
    wgmma_commit();
    wgmma_wait<1>();
  }
  wgmma_wait<0>();
  wgmma_results(d);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int n = 0; n < kAccumulators; n++) {
    const int row = 16 * warp + lane / 4 + n % 4 / 2 * 8, column = n / 4 * 8 + lane % 4 * 2 + n % 2;
    out[row * kProductColumns + column] = d[n];
  }
}

void products_are_exact() {
  constexpr int kDepthOfA = 60;  // TMA fills the other columns of 64 with 0
  const __nv_bfloat16 *a = matrix(64, kDepthOfA, 64), *b = matrix(250, 64, 72);
  auto* out = device<float>(kProductRows * kProductColumns);
  for (int times : {1, 3}) {
    const TileMap a_map = map_of(a, 64, kDepthOfA, 64, kProductRows), b_map = map_of(b, 250, 64, 72, kProductColumns);
    CHECK(launch(context(), multiply, 1, kGroup, kBytes, a_map, b_map, times, out) == cudaSuccess);
    for (int row = 0; row < kProductRows; row++) {
      for (int column = 0; column < kProductColumns; column++) {
        double sum = 0;
        for (int k = 0; k < kDepthOfA; k++) sum += static_cast<double>(value(row, k)) * (column < 250 ? value(column, k) : 0);
        CHECK(out[row * kProductColumns + column] == sum * times);  // exact: multiples of 1/4 that fp32 can represent
      }
    }
  }
  for (const void* address : {static_cast<const void*>(a), static_cast<const void*>(b), static_cast<const void*>(out)}) {
    cudaFree(const_cast<void*>(address));
  }
}

// Sums are truncated, not rounded: fp32 has no 2^24 + 3. Truncated it is 2^24 + 2, rounded 2^24 + 4.
void sums_are_cut() {
  auto* a = device<__nv_bfloat16>(64 * 64);
  auto* b = device<__nv_bfloat16>(256 * 64);
  auto* out = device<float>(kProductRows * kProductColumns);
  memset(a, 0, 64 * 64 * 2);
  memset(b, 0, 256 * 64 * 2);
  a[0] = __float2bfloat16_rn(4096), b[0] = __float2bfloat16_rn(4096);
  a[1] = __float2bfloat16_rn(3), b[1] = __float2bfloat16_rn(1);
  CHECK(launch(context(), multiply, 1, kGroup, kBytes, map_of(a, 64, 64, 64, 64), map_of(b, 256, 64, 64, 256), 1, out) == cudaSuccess);
  CHECK(out[0] == 0x1p24f + 2);
  for (void* address : {static_cast<void*>(a), static_cast<void*>(b), static_cast<void*>(out)}) cudaFree(address);
}

__global__ void exchange_registers(int* out) {
  if (threadIdx.x < kGroup) {
    give_registers<24>();
  } else {
    take_registers<240>();
  }
  out[threadIdx.x] = 1;
}

void registers_change_hands() {
  int* out = device<int>(3 * kGroup);
  CHECK(launch(context(), exchange_registers, 1, 3 * kGroup, 0, out) == cudaSuccess);
  for (int thread = 0; thread < 3 * kGroup; thread++) CHECK(out[thread] == 1);
  cudaFree(out);
}

// ---- kernels that are wrong ---------------------------------------------------------------------------------------------------------------

enum Fault {
  kNoWaitForCopy,
  kNoWaitForProducts,
  kOverwritten,
  kNoFence,
  kNoFenceOfBarrier,
  kNoBarrier,
  kTooManyArrivals,
  kTooFewBytes,
  kMisplacedTile,
  kBeyondShared,
  kCopyAtExit,
  kProductsAtExit,
  kHalfAWarpgroup,
  kOtherOperands,
  kNoSwizzle,
  kTooManyRegisters,
  kUnorderedBarrier,
  kNone
};
constexpr const char* kNames[] = {
    "no_wait_for_copy",  "no_wait_for_products", "overwritten",    "no_fence",           "no_fence_of_barrier", "no_barrier",
    "too_many_arrivals", "too_few_bytes",        "misplaced_tile", "beyond_shared",      "copy_at_exit",        "products_at_exit",
    "half_a_warpgroup",  "other_operands",       "no_swizzle",     "too_many_registers", "unordered_barrier",   "none"};

// Multiplies a matrix of ones by one of ones, with the bug FAULT.
template <Fault FAULT>
__global__ void wrong(TileMap ones, float* out) {
  DPO4J_SHARED(Barrier, barriers, [2]);
  Barrier* landed = &barriers[0];
  unsigned char *tile_a = tiles(), *tile_b = tile_a + kTileBytes;
  if (threadIdx.x == 0) {
    if (FAULT != kNoBarrier) barrier_init(landed, 1);
    barrier_init(&barriers[1], 1);
    if (FAULT != kNoFenceOfBarrier) fence_barrier_init();
  }
  if (FAULT == kUnorderedBarrier) barrier_try_wait(landed, 1);
  __syncthreads();
  if (threadIdx.x == 0) {
    barrier_arrive_expecting(landed, kTileBytes * (FAULT == kTooFewBytes ? 4 : 5));
    load_tile(tile_a + (FAULT == kMisplacedTile ? 128 : 0), ones, landed, 0, 0);
    for (int i = 0; i < 4; i++) load_tile(tile_b + (FAULT == kBeyondShared ? i + 1 : i) * kTileBytes, ones, landed, 0, 0);
    if (FAULT == kTooManyArrivals) {
      barrier_arrive(landed);
      barrier_arrive(landed);
    }
  }
  if (FAULT == kCopyAtExit) return;
  if (FAULT != kNoWaitForCopy) barrier_wait(landed, 0);
  if (FAULT == kTooManyRegisters) take_registers<256>();
  if (FAULT == kHalfAWarpgroup && threadIdx.x >= 64) return;
  float d[kAccumulators];
  uint64_t a = tile_descriptor(shared_address(tile_a)), b = tile_descriptor(shared_address(tile_b));
  if (FAULT == kOtherOperands && threadIdx.x == 5) a += kNextDepth;
  if (FAULT == kNoSwizzle) a &= ~(uint64_t{3} << 62);
  if (FAULT != kNoFence) wgmma_fence();
  wgmma(d, a, b, false);
  wgmma_commit();
  if (FAULT == kOverwritten && threadIdx.x == 0) load_tile(tile_a, ones, &barriers[1], 0, 0);
  if (FAULT == kOverwritten) __syncthreads();
  const float before = d[7];
  if (FAULT == kProductsAtExit) return;
  wgmma_wait<0>();
  wgmma_results(d);
  if (FAULT == kOverwritten && threadIdx.x == 0) barrier_arrive_expecting(&barriers[1], kTileBytes);
  if (FAULT == kOverwritten) barrier_wait(&barriers[1], 0);
  if (FAULT == kNoWaitForCopy) barrier_wait(landed, 0);
  out[threadIdx.x] = FAULT == kNoWaitForProducts ? before : d[7];
}

template <int FAULT = 0>
int run_fault(const char* name) {
  if constexpr (FAULT <= kNone) {
    if (strcmp(name, kNames[FAULT]) != 0) return run_fault<FAULT + 1>(name);
    auto* ones = device<__nv_bfloat16>(64 * 64);
    const int threads = FAULT == kTooManyRegisters ? 3 * kGroup : kGroup;
    auto* out = device<float>(threads);
    for (int i = 0; i < 64 * 64; i++) ones[i] = __float2bfloat16_rn(1);
    CHECK(launch(context(), wrong<static_cast<Fault>(FAULT)>, 1, threads, kBytes, map_of(ones, 64, 64, 64, 64), out) == cudaSuccess);
    for (int thread = 0; thread < threads; thread++) {
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
  tiles_are_swizzled_and_filled_up();
  maps_are_refused();
  clusters_share_tiles();
  phases_alternate();
  clusters_arrive();
  products_are_exact();
  sums_are_cut();
  registers_change_hands();
  return failures == 0 ? 0 : 1;
}
