// dequantize_4bit: a matrix from 4-bit codes, as bitsandbytes computes it (Dettmers et al. 2023).
//
// A thread decodes eight elements: one 4-byte load of codes, eight reads of the 16 numbers in shared memory, which lie in different banks,
// one product each, and a store of 16 (bf16) or 32 bytes. The absmax of its block is nested_map[code] nested_absmax + nested_offset, two
// rounded operations as in bitsandbytes; the nested map has 1 KiB and stays in L1. If rows of the quantised matrix are no multiple of eight
// elements, or the columns of the result have padding, a thread computes one element at a time.
//
// Bytes moved per element, b the size of an element of the result: b + 1/2 + 1/64, or b + 1/2 + 1/16 with absmax in fp32. Goal: 0.92 of the
// bandwidth of a copy. Share of the roofline: not yet measured on a GPU.
#include "four_bit.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kThreadsPerRow = 128, kRowsPerBlock = 2;

__device__ __forceinline__ float absmax_of(const dpo4j_dequantize_4bit_params& x, int64_t block) {
  if (x.absmax) return x.absmax[block];
  return __fadd_rn(__fmul_rn(x.nested_map[x.nested[block]], x.nested_absmax[block / kNestedBlock]), x.nested_offset);
}

// Rounded to value_dtype, as fp32.
__device__ __forceinline__ float rounded_value(int32_t value_dtype, float x) {
  if (value_dtype == DPO4J_BF16) return __bfloat162float(__float2bfloat16_rn(x));
  if (value_dtype == DPO4J_F16) return __half2float(__float2half_rn(x));
  return x;
}

template <class T>
__global__ void __launch_bounds__(kThreadsPerRow* kRowsPerBlock) decode_vectors(dpo4j_dequantize_4bit_params x) {
  DPO4J_SHARED(float, map, [kFourBitCodes]);
  const int thread = static_cast<int>(threadIdx.x);
  if (threadIdx.y == 0) fill_four_bit_map(map, x.quant_type, thread);
  __syncthreads();
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.y;
  if (row >= x.rows) return;
  const int64_t in_row = x.in_rows ? x.in_rows[row] : row;
  T* out = static_cast<T*>(x.out) + row * x.width;
  for (int64_t column = thread * kVector; column < x.width; column += kThreadsPerRow * kVector) {
    Vec<kVector> v = {};
    if (in_row >= 0) {
      const int64_t element = in_row * x.width + column;
      const uint32_t codes = *reinterpret_cast<const uint32_t*>(x.codes + element / 2);
      const float factor = absmax_of(x, element / kFourBitBlock);
#pragma unroll
      for (int k = 0; k < kVector; k += 2) {
        const uint32_t pair = codes >> 4 * k;
        v[k] = rounded_value(x.value_dtype, map[first_code(pair)] * factor);
        v[k + 1] = rounded_value(x.value_dtype, map[second_code(pair)] * factor);
      }
    }
    store<kVector>(out + column, v);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreadsPerRow* kRowsPerBlock) decode_elements(dpo4j_dequantize_4bit_params x, int64_t stride) {
  DPO4J_SHARED(float, map, [kFourBitCodes]);
  const int thread = static_cast<int>(threadIdx.x);
  if (threadIdx.y == 0) fill_four_bit_map(map, x.quant_type, thread);
  __syncthreads();
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.y;
  if (row >= x.rows) return;
  const int64_t in_row = x.in_rows ? x.in_rows[row] : row;
  T* out = static_cast<T*>(x.out) + row * stride;
  for (int64_t column = thread; column < stride; column += kThreadsPerRow) {
    const int64_t group = column / x.group_stride, in_group = column - group * x.group_stride;
    float v = 0;
    if (in_row >= 0 && in_group < x.group) {
      const int64_t element = in_row * x.width + group * x.group + in_group;
      const uint32_t pair = x.codes[element / 2];
      const int code = element % 2 == 0 ? first_code(pair) : second_code(pair);
      v = rounded_value(x.value_dtype, map[code] * absmax_of(x, element / kFourBitBlock));
    }
    store_one(out + column, v);
  }
}

template <class T>
int launch_decode(const LaunchContext& context, dpo4j_dequantize_4bit_params x) {
  if (x.value_dtype == x.dtype) x.value_dtype = DPO4J_F32;  // the store rounds
  const dim3 grid(divide_up(x.rows, kRowsPerBlock)), block(kThreadsPerRow, kRowsPerBlock);
  if (x.width % kVector == 0 && x.group == x.group_stride) return launch(context, decode_vectors<T>, grid, block, 0, x);
  return launch(context, decode_elements<T>, grid, block, 0, x, x.width / x.group * x.group_stride);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_dequantize_4bit_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_decode<__nv_bfloat16>(context, x) : launch_decode<float>(context, x);
}

}  // namespace dpo4j::cuda
