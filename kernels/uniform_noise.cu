// uniform_noise: out[row, column] += scale[row] u, with u uniform in (-1, 1): noise on embeddings, as in NEFTune (Jain et al. 2023).
//
// The random bits come from Philox: key = seed, counter = (column / 4, position, sequence, step). So the noise of a token depends only on
// its sequence, its position, the step and the seed, whatever the batch. A thread adds the four words of one counter to four columns.
//
// Bytes moved, b the size of an element: 2 b rows width. Share of the roofline: not yet measured on a GPU.
#include "philox.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kWarps = 8;
constexpr int kWords = 4;

__device__ __forceinline__ float uniform(uint32_t word) {
  return static_cast<float>(2 * static_cast<int32_t>(word >> 9) + 1) * 0x1p-23f - 1;
}

// A warp adds noise to a row.
template <class T>
__global__ void __launch_bounds__(32 * kWarps) add_noise(T* out, const float* scale, const int32_t* sequence, const int32_t* position,
                                                         const uint32_t* random, int64_t rows, int64_t width, int64_t stride) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kWarps + threadIdx.y;
  if (row >= rows) return;
  const float factor = scale[row];
  if (factor == 0) return;
  T* to = out + row * stride;
  for (int64_t column = kWords * threadIdx.x; column < width; column += kWords * 32) {
    const uint4 bits = philox(make_uint4(static_cast<uint32_t>(column / kWords), static_cast<uint32_t>(position[row]),
                                         static_cast<uint32_t>(sequence[row]), random[2]),
                              make_uint2(random[0], random[1]));
    const Vec<kWords> noise = {{uniform(bits.x), uniform(bits.y), uniform(bits.z), uniform(bits.w)}};
#pragma unroll
    for (int k = 0; k < kWords; k++) {
      if (column + k < width) store_one(to + column + k, fmaf(factor, noise[k], load_one(to + column + k)));
    }
  }
}

template <class T>
int launch_noise(const LaunchContext& context, const dpo4j_uniform_noise_params& x) {
  return launch(context, add_noise<T>, dim3(divide_up(x.rows, kWarps)), dim3(32, kWarps), 0, static_cast<T*>(x.out), x.scale, x.sequence,
                x.position, x.random, x.rows, x.width, x.stride);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_uniform_noise_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_noise<__nv_bfloat16>(context, x) : launch_noise<float>(context, x);
}

}  // namespace dpo4j::cuda
