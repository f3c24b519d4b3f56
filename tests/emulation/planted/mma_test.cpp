// Tests mma.sync, ldmatrix and cp.async through kernels/mma.cuh against the PTX ISA. `mma_test` runs correct kernels. `mma_test FAULT` runs
// one kernel with a bug, which the emulation must report, or which must show in the result.
#include "mma.cuh"

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "check.h"
#include "math.cuh"

namespace {

using namespace dpo4j::cuda;

template <class... Parameters, class... Arguments>
void run(void (*kernel)(Parameters...), int threads, Arguments... arguments) {
  LaunchContext context{};
  CHECK(make_launch_context(&context, 0, nullptr) == cudaSuccess);
  CHECK(launch(context, kernel, 1, threads, 0, arguments...) == cudaSuccess);
}

uint16_t bits(float x) { return __bfloat16_as_ushort(__float2bfloat16_rn(x)); }
float value(int i, int j) { return static_cast<float>((7 * i + 3 * j) % 23 - 11); }  // exact in bf16

// ---- products -----------------------------------------------------------------------------------------------------------------------------

// Row and column of element i of a lane's fragment of A, B and D: "Matrix Fragments for mma.m16n8k16 with floating point type".
__device__ int left_row(int lane, int i) { return lane / 4 + ((i >= 2 && i < 4) || i >= 6 ? 8 : 0); }
__device__ int left_column(int lane, int i) { return lane % 4 * 2 + (i & 1) + (i >= 4 ? 8 : 0); }
__device__ int right_row(int lane, int i) { return lane % 4 * 2 + (i & 1) + (i >= 2 ? 8 : 0); }
__device__ int right_column(int lane, int) { return lane / 4; }
__device__ int product_row(int lane, int i) { return lane / 4 + (i < 2 ? 0 : 8); }
__device__ int product_column(int lane, int i) { return lane % 4 * 2 + (i & 1); }

__global__ void multiply(float* d, const uint16_t* a, const uint16_t* b) {
  const int lane = static_cast<int>(threadIdx.x);
  uint16_t left[8], right[4];
  float product[4];
  for (int i = 0; i < 8; i++) left[i] = a[left_row(lane, i) * 16 + left_column(lane, i)];
  for (int i = 0; i < 4; i++) right[i] = b[right_row(lane, i) * 8 + right_column(lane, i)];
  for (int i = 0; i < 4; i++) product[i] = d[product_row(lane, i) * 8 + product_column(lane, i)];
  uint32_t a_fragment[4], b_fragment[2];
  memcpy(a_fragment, left, sizeof left);
  memcpy(b_fragment, right, sizeof right);
  mma_m16n8k16(product, a_fragment, b_fragment[0], b_fragment[1]);
  for (int i = 0; i < 4; i++) d[product_row(lane, i) * 8 + product_column(lane, i)] = product[i];
}

struct Product {
  float* d = device<float>(16 * 8);
  uint16_t* a = device<uint16_t>(16 * 16);
  uint16_t* b = device<uint16_t>(16 * 8);

  Product() {
    for (int i = 0; i < 16 * 16; i++) a[i] = bits(value(i / 16, i % 16));
    for (int i = 0; i < 16 * 8; i++) b[i] = bits(value(i % 8, i / 8 + 5)), d[i] = value(i, i);
  }
  ~Product() { cudaFree(d), cudaFree(a), cudaFree(b); }
};

void products_of_whole_numbers_are_exact() {
  Product product;
  run(multiply, 32, product.d, product.a, product.b);
  for (int row = 0; row < 16; row++) {
    for (int column = 0; column < 8; column++) {
      float expected = value(row * 8 + column, row * 8 + column);
      for (int k = 0; k < 16; k++) expected += value(row, k) * value(column, k + 5);
      CHECK(product.d[row * 8 + column] == expected);
    }
  }
}

// Sums are truncated: 1 plus 3/4 of its last place is 1. A NaN in A makes its row NaN, an infinity in B its column, and no other element.
void sums_are_cut_and_nan_stays_where_it_is() {
  Product product;
  for (int i = 0; i < 16 * 16; i++) product.a[i] = i % 16 == 9 ? bits(0x1p-12f) : 0;
  for (int i = 0; i < 16 * 8; i++) product.b[i] = i / 8 == 9 ? bits(0x1.8p-12f) : 0, product.d[i] = 1;
  product.a[3 * 16 + 2] = bits(NAN);
  product.b[7 * 8 + 5] = bits(INFINITY);
  run(multiply, 32, product.d, product.a, product.b);
  for (int i = 0; i < 16 * 8; i++) {
    const bool marked = i / 8 == 3 || i % 8 == 5;
    CHECK(marked ? std::isnan(product.d[i]) : product.d[i] == 1);
  }
}

// ---- ldmatrix -----------------------------------------------------------------------------------------------------------------------------

// Rows may be in any order in shared memory: row r of matrix i is at place 5 (8 i + r) + 3 modulo 32.
__global__ void load_matrices(uint32_t* out, bool transposed) {
  struct alignas(16) Row {
    uint16_t values[8];
  };
  DPO4J_SHARED(Row, rows, [32]);
  const int lane = static_cast<int>(threadIdx.x), place = (5 * lane + 3) % 32;
  for (int column = 0; column < 8; column++) rows[place].values[column] = static_cast<uint16_t>(100 * lane + column);
  __syncwarp();
  uint32_t x[4];
  if (transposed) {
    ldmatrix_x4_trans(x, &rows[place]);
  } else {
    ldmatrix_x4(x, &rows[place]);
  }
  for (int i = 0; i < 4; i++) out[4 * lane + i] = x[i];
}

void matrices_arrive_in_fragments() {
  uint32_t* out = device<uint32_t>(128);
  for (const bool transposed : {false, true}) {
    run(load_matrices, 32, out, transposed);
    for (int lane = 0; lane < 32; lane++) {
      for (int i = 0; i < 4; i++) {
        for (int half = 0; half < 2; half++) {
          const int row = transposed ? lane % 4 * 2 + half : lane / 4, column = transposed ? lane / 4 : lane % 4 * 2 + half;
          CHECK((out[4 * lane + i] >> 16 * half & 0xFFFF) == static_cast<uint32_t>(100 * (8 * i + row) + column));
        }
      }
    }
  }
  cudaFree(out);
}

// ---- cp.async -----------------------------------------------------------------------------------------------------------------------------

__global__ void copy(float* out, const float4* from) {
  DPO4J_SHARED(float4, place, [3][32]);
  const int thread = static_cast<int>(threadIdx.x);
  cp_async_16(&place[0][thread], from + thread, true);
  cp_async_commit();
  cp_async_16(&place[1][thread], from + 32 + thread, true);
  cp_async_16(&place[2][thread], from, false);
  cp_async_commit();
  out[thread] = place[0][thread].y;  // the copy is not complete: NaN
  cp_async_wait<1>();
  out[32 + thread] = place[0][thread].y;
  out[64 + thread] = place[1][thread].y;  // not complete either
  cp_async_wait<0>();
  __syncwarp();
  out[96 + thread] = place[1][31 - thread].w;
  out[128 + thread] = place[2][thread].z;
}

void copies_arrive_when_waited_for() {
  float4* from = device<float4>(64);
  float* out = device<float>(160);
  for (int i = 0; i < 64; i++) from[i] = {value(i, 0), value(i, 1), value(i, 2), value(i, 3)};
  run(copy, 32, out, static_cast<const float4*>(from));
  for (int i = 0; i < 32; i++) {
    CHECK(std::isnan(out[i]) && out[32 + i] == value(i, 1) && std::isnan(out[64 + i]));
    CHECK(out[96 + i] == value(32 + 31 - i, 3) && out[128 + i] == 0);
  }
  cudaFree(from), cudaFree(out);
}

void exponentials_are_flushed() {
  CHECK(exp2_flushed(3) == 8 && exp2_flushed(-126) == 0x1p-126f && exp2_flushed(-127) == 0 && exp2_flushed(-INFINITY) == 0);
  CHECK(std::isnan(exp2_flushed(NAN)) && std::isinf(exp2_flushed(200)));
}

// ---- faults -------------------------------------------------------------------------------------------------------------------------------

__global__ void copy_with(float* out, const float4* from, int fault) {
  DPO4J_SHARED(float4, place, [2][64]);
  const int thread = static_cast<int>(threadIdx.x);
  float sum = 0;
  for (int i = 0; i < 2; i++) {
    cp_async_16(&place[0][thread], from + thread, true);
    cp_async_commit();
    if (fault != 1 && fault != 4) cp_async_wait<0>();
    if (fault != 2) __syncthreads();
    sum += place[0][63 - thread].x;
    if (fault == 1) cp_async_wait<0>();
    if (fault != 3) __syncthreads();
  }
  out[thread] = sum;
}

__global__ void load_from(uint32_t* out, const void* row, int offset) {
  DPO4J_SHARED(uint4, rows, [33]);
  uint32_t x[4];
  ldmatrix_x4(x, row != nullptr ? row : reinterpret_cast<const char*>(rows + threadIdx.x) + offset);
  out[threadIdx.x] = x[0];
}

__global__ void part_of_a_warp(float* out) {
  const uint32_t a[4] = {};
  float d[4] = {};
  if (threadIdx.x != 7) mma_m16n8k16(d, a, 0, 0);
  __syncwarp();
  out[threadIdx.x] = d[0];
}

int run_fault(const char* fault) {
  float* out = device<float>(64);
  float4* from = device<float4>(64);
  for (int i = 0; i < 64; i++) from[i] = {1, 1, 1, 1};
  const char* const of_copies[] = {"copied", "not_waited_for", "no_barrier_behind_the_wait", "no_barrier_before_the_copy",
                                   "exit_before_the_wait"};
  for (int i = 0; i < 5; i++) {
    if (strcmp(fault, of_copies[i]) != 0) continue;
    run(copy_with, 64, out, static_cast<const float4*>(from), i);
    for (int thread = 0; thread < 64; thread++) {
      if (out[thread] == 2) continue;
      printf("result is %f\n", static_cast<double>(out[thread]));
      return 1;
    }
  }
  uint32_t* words = device<uint32_t>(64);
  if (strcmp(fault, "matrix_not_shared") == 0) run(load_from, 32, words, static_cast<const void*>(from), 0);
  if (strcmp(fault, "matrix_misaligned") == 0) run(load_from, 32, words, static_cast<const void*>(nullptr), 8);
  if (strcmp(fault, "product_of_part_of_a_warp") == 0) run(part_of_a_warp, 32, out);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) return run_fault(argv[1]);
  products_of_whole_numbers_are_exact();
  sums_are_cut_and_nan_stays_where_it_is();
  matrices_arrive_in_fragments();
  copies_arrive_when_waited_for();
  exponentials_are_flushed();
  return failures == 0 ? 0 : 1;
}
