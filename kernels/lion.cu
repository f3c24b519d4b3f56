// lion: sign of an interpolated momentum (Chen et al. 2023), as Lion of bitsandbytes.
//
//   g = clip gradient        p = p - (lr decay p + lr sign(m - s1 m + s1 g))        m = (m - s2 m) + s2 g
//
// s1 = 1 - b1 and s2 = 1 - b2 are computed in fp64 and then rounded, as in adamw.cu. weight_update.cuh says how parameters are rounded.
//
// Bytes moved per element: 20 (fp32), 22 (bf16 with master), 16 (bf16 without). Share of the roofline: not yet measured on a GPU.
#include "weight_update.cuh"

namespace dpo4j::cuda {
namespace {

struct LionRule {
  float* m;
  const float* rates;
  float share1, share2, weight_decay;
  float lr, decay;

  __device__ __forceinline__ void begin() { lr = rates[0], decay = lr * weight_decay; }

  template <int N>
  __device__ __forceinline__ void step(int64_t i, const Vec<N>& g, Vec<N>& p) const {
    constexpr Access kOnce = Access::kOnce;
    Vec<N> mean = load<N, kOnce>(m + i);
#pragma unroll
    for (int k = 0; k < N; k++) {
      const float direction = fmaf(share1, g[k], fmaf(-share1, mean[k], mean[k]));
      p[k] -= fmaf(decay, p[k], direction > 0 ? lr : direction < 0 ? -lr : 0);
      mean[k] = fmaf(share2, g[k], fmaf(-share2, mean[k], mean[k]));
    }
    store<N, kOnce>(m + i, mean);
  }
};

}  // namespace

int run(const LaunchContext& context, const Lion& x) {
  return launch_update(context, x, LionRule{x.m, x.rates, x.share1, x.share2, x.weight_decay, 0, 0});
}

}  // namespace dpo4j::cuda
