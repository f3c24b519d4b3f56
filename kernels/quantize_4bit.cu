// quantize_4bit: 4-bit codes and the absmax of blocks of 64 elements, as bitsandbytes computes them (Dettmers et al. 2023).
//
// Eight lanes compute a block, eight elements each: they multiply by 1 / absmax and take the nearest number of the map. The division is
// rounded as IEEE 754 says, as in bitsandbytes' code for the CPU. Its kernels divide approximately, so their codes can differ where an
// element is in the middle of two numbers.
//
// Bytes moved per element, b its size: b + 9/16. A model is quantised once, when it is loaded. Share of the roofline: not yet measured on a
// GPU.
#include "formulas/four_bit.h"
#include "reduce.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kLanes = kFourBitBlock / kVector;  // of a block

// kVector elements; those behind the end are 0.
template <class T>
__device__ __forceinline__ Vec<kVector> load_valid(const T* address, int64_t valid) {
  if (valid >= kVector) return load<kVector>(address);
  Vec<kVector> v;
#pragma unroll
  for (int k = 0; k < kVector; k++) v[k] = k < valid ? load_one(address + k) : 0;
  return v;
}

template <class T>
__global__ void __launch_bounds__(kThreads) quantize(uint8_t* codes, float* absmax, const T* in, int64_t count, int quant_type) {
  DPO4J_SHARED(float, middles, [kMiddles]);
  const int thread = static_cast<int>(threadIdx.x);
#pragma unroll
  for (int i = 0; i < kMiddles; i++) {
    // Constants for each type: a type known at run time would make the compiler keep a table in local memory (sm_100).
    if (thread == i) middles[i] = quant_type == DPO4J_FP4 ? four_bit_middle(DPO4J_FP4, i) : four_bit_middle(DPO4J_NF4, i);
  }
  __syncthreads();
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) * kThreads + thread) * kVector, valid = count - begin;
  const Vec<kVector> x = load_valid(in + begin, valid);
  float max = 0, poison = 0;
#pragma unroll
  for (int k = 0; k < kVector; k++) max = fmaxf(max, fabsf(x[k])), poison += 0 * x[k];
  max = lane_max<kLanes>(max);
  poison = lane_sum<kLanes>(poison);
  if (valid <= 0) return;
  if (thread % kLanes == 0) absmax[begin / kFourBitBlock] = max + poison;
  const float factor = four_bit_factor(max);
  const uint64_t sorted = sorted_four_bit_codes(quant_type);
#pragma unroll
  for (int k = 0; k < kVector; k += 2) {
    if (k < valid) {
      const int one = nearest_four_bit(middles, sorted, __fmul_rn(x[k], factor));
      const int two = nearest_four_bit(middles, sorted, __fmul_rn(x[k + 1], factor));
      codes[(begin + k) / 2] = static_cast<uint8_t>(one << 4 | two);
    }
  }
}

template <class T>
int launch_quantize(const LaunchContext& context, const dpo4j_quantize_4bit_params& x) {
  return launch(context, quantize<T>, dim3(divide_up(x.count, kThreads * kVector)), dim3(kThreads), 0, x.codes, x.absmax,
                static_cast<const T*>(x.in), x.count, x.quant_type);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_quantize_4bit_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_quantize<__nv_bfloat16>(context, x) : launch_quantize<float>(context, x);
}

}  // namespace dpo4j::cuda
