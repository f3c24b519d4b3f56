// sgd: stochastic gradient descent with momentum, as torch.optim.SGD.
//
//   g = clip gradient + decay p        velocity = momentum velocity + share g        p = p - lr velocity
//
// With nesterov p = p - lr (g + momentum velocity), without momentum p = p - lr g. share is 1 - dampening, but 1 in the first step.
// weight_update.cuh says how parameters are rounded.
//
// Bytes moved per element: 12 (fp32), 14 (bf16 with master), 8 (bf16 without); 8 more with momentum. Share of the roofline: not yet
// measured on a GPU.
#include "weight_update.cuh"

namespace dpo4j::cuda {
namespace {

struct SgdRule {
  float* velocity;
  const int32_t* steps;
  const float* rates;
  float momentum, share, decay;
  bool nesterov;
  float lr;

  __device__ __forceinline__ void begin() {
    lr = rates[0];
    if (steps && *steps <= 1) share = 1;
  }

  template <int N>
  __device__ __forceinline__ void step(int64_t i, Vec<N> g, Vec<N>& p) const {
    constexpr Access kOnce = Access::kOnce;
#pragma unroll
    for (int k = 0; k < N; k++) g[k] = fmaf(decay, p[k], g[k]);
    if (velocity) {
      Vec<N> v = load<N, kOnce>(velocity + i);
#pragma unroll
      for (int k = 0; k < N; k++) {
        v[k] = fmaf(momentum, v[k], share * g[k]);
        g[k] = nesterov ? fmaf(momentum, v[k], g[k]) : v[k];
      }
      store<N, kOnce>(velocity + i, v);
    }
#pragma unroll
    for (int k = 0; k < N; k++) p[k] = fmaf(-lr, g[k], p[k]);
  }
};

}  // namespace

int run(const LaunchContext& context, const Sgd& x) {
  return launch_update(context, x, SgdRule{x.velocity, x.steps, x.rates, x.momentum, x.share, x.weight_decay, x.nesterov != 0, 0});
}

}  // namespace dpo4j::cuda
