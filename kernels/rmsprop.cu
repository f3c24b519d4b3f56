// rmsprop: as torch.optim.RMSprop (Hinton 2012; centered: Graves 2013).
//
//   g = clip gradient + decay p        square = (square - s square) + s g^2        mean = (mean - s mean) + s g
//   u = g / (sqrt(square) + epsilon)   velocity = momentum velocity + u            p = p - lr velocity
//
// s = 1 - alpha is computed in fp64 and then rounded; adamw.cu says why the formula subtracts s square. Centered, the root is that of
// max(0, square - mean^2): a variance, which rounding may make negative. Without momentum p = p - lr u. weight_update.cuh says how
// parameters are rounded.
//
// Bytes moved per element: 20 (fp32), 22 (bf16 with master), 16 (bf16 without); 8 more with momentum, 8 more if centered. Share of the
// roofline: not yet measured on a GPU.
#include "weight_update.cuh"

namespace dpo4j::cuda {
namespace {

struct RmspropRule {
  float *square, *mean, *velocity;
  const float* rates;
  float share, epsilon, momentum, decay;
  float lr;

  __device__ __forceinline__ void begin() { lr = rates[0]; }

  template <int N>
  __device__ __forceinline__ void step(int64_t i, Vec<N> g, Vec<N>& p) const {
    constexpr Access kOnce = Access::kOnce;
    Vec<N> variance = load<N, kOnce>(square + i);
#pragma unroll
    for (int k = 0; k < N; k++) {
      g[k] = fmaf(decay, p[k], g[k]);
      variance[k] = fmaf(share, g[k] * g[k], fmaf(-share, variance[k], variance[k]));
    }
    store<N, kOnce>(square + i, variance);
    if (mean) {
      Vec<N> m = load<N, kOnce>(mean + i);
#pragma unroll
      for (int k = 0; k < N; k++) {
        m[k] = fmaf(share, g[k], fmaf(-share, m[k], m[k]));
        variance[k] = fmaxf(0, fmaf(-m[k], m[k], variance[k]));
      }
      store<N, kOnce>(mean + i, m);
    }
#pragma unroll
    for (int k = 0; k < N; k++) g[k] /= sqrtf(variance[k]) + epsilon;
    if (velocity) {
      const Vec<N> old = load<N, kOnce>(velocity + i);
#pragma unroll
      for (int k = 0; k < N; k++) g[k] = fmaf(momentum, old[k], g[k]);
      store<N, kOnce>(velocity + i, g);
    }
#pragma unroll
    for (int k = 0; k < N; k++) p[k] = fmaf(-lr, g[k], p[k]);
  }
};

}  // namespace

int run(const LaunchContext& context, const Rmsprop& x) {
  return launch_update(context, x, RmspropRule{x.square, x.mean, x.velocity, x.rates, x.share, x.epsilon, x.momentum, x.weight_decay, 0});
}

}  // namespace dpo4j::cuda
