// adamw_8bit: the step of adamw.cu with moments of 8 bits, as AdamW8bit of bitsandbytes (Dettmers et al. 2022).
//
// An element of m is signed_map[code] m_max, an element of v is unsigned_map[code] v_max, with the maxima of its block of 256 elements
// (native/formulas/dynamic_map.h). A warp computes a block, eight elements per lane: it decodes the moments, updates moments and weights in
// registers, finds the new maxima by shuffles, and stores the code of the nearest number of the map. The maps are in shared memory.
// weight_update.cuh says how parameters are rounded.
//
// Bytes moved per element: 16 (fp32), 18 (bf16 with master), 12 (bf16 without), and 1/16 for the maxima. Share of the roofline: not yet
// measured on a GPU.
#include "formulas/dynamic_map.h"
#include "reduce.cuh"
#include "weight_update.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kThreads = kUpdateThreads, kWarps = kThreads / kWarp;
static_assert(kThreads == kCodes, "a thread for each number of a map");
static_assert(kMapBlock == kWarp * kVector, "a warp computes a block");

using Elements = Vec<kVector>;

// The elements [0, valid) of a lane; the others are 0.
template <class T>
__device__ __forceinline__ Elements load_valid(const T* address, int valid) {
  if (valid == kVector) return load<kVector>(address);
  Elements v;
#pragma unroll
  for (int k = 0; k < kVector; k++) v[k] = k < valid ? load_one(address + k) : 0;
  return v;
}

template <class T>
__device__ __forceinline__ void store_valid(T* address, const Elements& v, int valid) {
  if (valid == kVector) return store<kVector>(address, v);
#pragma unroll
  for (int k = 0; k < kVector; k++) {
    if (k < valid) store_one(address + k, v[k]);
  }
}

__device__ __forceinline__ Elements decode(const float* map, const uint8_t* codes, float max, int valid) {
  Elements v;
#pragma unroll
  for (int k = 0; k < kVector; k++) v[k] = k < valid ? map[codes[k]] * max : 0;
  return v;
}

// Stores the codes of a warp's block, and returns the block's maximum.
__device__ __forceinline__ float encode(uint8_t* codes, const float* middle, const Elements& v, int valid) {
  float max = 0;
#pragma unroll
  for (int k = 0; k < kVector; k++) max = fmaxf(max, fabsf(v[k]));
  max = lane_max<kWarp>(max);
  const float divisor = max > 0 ? max : 1;
#pragma unroll
  for (int k = 0; k < kVector; k++) {
    if (k < valid) codes[k] = static_cast<uint8_t>(nearest_code(middle, v[k] / divisor));
  }
  return max;
}

template <class T, bool kStochastic>
__global__ void __launch_bounds__(kThreads, 3) step_8bit(Adamw8bit x) {
  DPO4J_SHARED(float, signed_values, [kCodes]);
  DPO4J_SHARED(float, unsigned_values, [kCodes]);
  DPO4J_SHARED(float, signed_middles, [kCodes]);
  DPO4J_SHARED(float, unsigned_middles, [kCodes]);
  const int thread = static_cast<int>(threadIdx.x), next = thread + 1 < kCodes ? thread + 1 : thread;
  signed_values[thread] = signed_map(thread);
  unsigned_values[thread] = unsigned_map(thread);
  __syncthreads();
  signed_middles[thread] = 0.5f * (signed_values[thread] + signed_values[next]);
  unsigned_middles[thread] = 0.5f * (unsigned_values[thread] + unsigned_values[next]);
  __syncthreads();

  const float scale = x.clip ? *x.clip : 1.0f;
  if (scale != scale) return;
  const float lr = x.rates[0], c2 = x.rates[2];
  const float decay = lr * x.weight_decay, rate = lr * x.rates[1];
  const uint2 seed = kStochastic ? make_uint2(x.random[0], x.random[1]) : make_uint2(0, 0);
  [[maybe_unused]] const uint32_t number = kStochastic ? x.random[2] : 0;
  T* parameter = static_cast<T*>(x.parameter);
  const int64_t blocks = divide_up(x.count, kMapBlock), lane = thread % kWarp;
  for (int64_t block = static_cast<int64_t>(blockIdx.x) * kWarps + thread / kWarp; block < blocks;
       block += static_cast<int64_t>(gridDim.x) * kWarps) {
    const int64_t i = block * kMapBlock + lane * kVector, rest = x.count - i;
    const int valid = rest >= kVector ? kVector : rest > 0 ? static_cast<int>(rest) : 0;
    Elements p = x.master ? load_valid(x.master + i, valid) : load_valid(parameter + i, valid);
    Elements mean = decode(signed_values, x.m + i, x.m_max[block], valid);
    Elements square = decode(unsigned_values, x.v + i, x.v_max[block], valid);
    const Elements d = load_valid(x.gradient + i, valid);
#pragma unroll
    for (int k = 0; k < kVector; k++) {
      const float g = scale * d[k];
      mean[k] = fmaf(x.share1, g, fmaf(-x.share1, mean[k], mean[k]));
      square[k] = fmaf(x.share2, g * g, fmaf(-x.share2, square[k], square[k]));
      p[k] -= fmaf(decay, p[k], rate * mean[k] / (sqrtf(c2 * square[k]) + x.epsilon));
    }
    const float m_max = encode(x.m + i, signed_middles, mean, valid), v_max = encode(x.v + i, unsigned_middles, square, valid);
    __syncwarp();  // every lane has read the old maxima
    if (lane == 0) x.m_max[block] = m_max, x.v_max[block] = v_max;
    if (x.master) store_valid(x.master + i, p, valid);
    if constexpr (kStochastic) p = round_elements(p, Rounded::kParameter, x.first + i, seed, number);
    store_valid(parameter + i, p, valid);
  }
}

template <class T, bool kStochastic>
int launch_step(const LaunchContext& context, const Adamw8bit& x) {
  return launch(context, step_8bit<T, kStochastic>, dim3(divide_up(x.count, kThreads * kVector)), dim3(kThreads), 0, x);
}

}  // namespace

int run(const LaunchContext& context, const Adamw8bit& x) {
  if (x.random) return launch_step<__nv_bfloat16, true>(context, x);
  return x.dtype == DPO4J_BF16 ? launch_step<__nv_bfloat16, false>(context, x) : launch_step<float, false>(context, x);
}

}  // namespace dpo4j::cuda
