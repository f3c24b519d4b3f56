// adamw: decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW.
//
//   g = clip gradient        m = (m - s1 m) + s1 g        v = (v - s2 v) + s2 g^2
//   p = p - (lr decay p + lr c1 m / (sqrt(c2 v) + epsilon))
//
// s1 = 1 - b1 and s2 = 1 - b2 are computed in fp64 and then rounded. The formula subtracts s2 v and does not multiply v by b2, because b2
// is close to 1: rounding it to fp32 would leave 1.3e-8 v too much per step. For the same reason it does not multiply p by 1 - lr decay:
// rounding that would lose digits of lr decay.
//
// weight_update.cuh says how parameters are rounded.
//
// bf16 moments are rounded stochastically too, each with its own random bits. If gradients are small, a step lowers v by (1 - b2) v, which
// for b2 = 0.999 is between 1/8 and 1/4 of a bf16 ulp. Rounded to nearest, v would never decay. The update of p uses m and v before
// rounding.
//
// Bytes moved per element: 28 (fp32 without master), 30 (bf16 with master), 24 (bf16 without), 16 (bf16 without, bf16 moments). Predicted:
// PERFORMANCE.md. Share of the roofline: not yet measured on a GPU.
#include "weight_update.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kThreads = kUpdateThreads;

template <class T, class Moment, bool kStochastic>
__global__ void __launch_bounds__(kThreads, kUpdateBlocks<kStochastic>)
    step(T* parameter, float* master, Moment* m, Moment* v, const float* gradient, const float* rates, const float* clip,
         const uint32_t* random, int64_t first, int64_t count, float share1, float share2, float epsilon, float weight_decay) {
  constexpr bool kRoundMoments = sizeof(Moment) == 2;
  static_assert(kStochastic || !kRoundMoments, "moments of 16 bits are rounded by random bits");
  const float scale = clip ? *clip : 1.0f;
  if (scale != scale) return;
  const float lr = rates[0], c1 = rates[1], c2 = rates[2];
  const float decay = lr * weight_decay, rate = lr * c1;
  const uint2 seed = kStochastic ? make_uint2(random[0], random[1]) : make_uint2(0, 0);
  [[maybe_unused]] const uint32_t number = kStochastic ? random[2] : 0;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for_columns(count, whole_vectors(count), thread, static_cast<int64_t>(gridDim.x) * kThreads, [&](auto n, int64_t i) {
    constexpr int N = decltype(n)::value;
    constexpr Access kOnce = Access::kOnce;
    Vec<N> p = master ? load<N, kOnce>(master + i) : load<N>(parameter + i);
    Vec<N> mean = load<N, kOnce>(m + i), square = load<N, kOnce>(v + i);
    const Vec<N> d = load<N, kOnce>(gradient + i);
#pragma unroll
    for (int k = 0; k < N; k++) {
      const float g = scale * d[k];
      mean[k] = fmaf(share1, g, fmaf(-share1, mean[k], mean[k]));
      square[k] = fmaf(share2, g * g, fmaf(-share2, square[k], square[k]));
      p[k] -= fmaf(decay, p[k], rate * mean[k] / (sqrtf(c2 * square[k]) + epsilon));
    }
    if constexpr (kRoundMoments) {
      mean = round_elements(mean, Rounded::kM, first + i, seed, number);
      square = round_elements(square, Rounded::kV, first + i, seed, number);
    }
    store<N, kOnce>(m + i, mean);
    store<N, kOnce>(v + i, square);
    if (master) store<N, kOnce>(master + i, p);
    if constexpr (kStochastic) p = round_elements(p, Rounded::kParameter, first + i, seed, number);
    store<N>(parameter + i, p);
  });
}

template <class T, class Moment = float, bool kStochastic = false>
int launch_step(const LaunchContext& context, const Adamw& x) {
  return launch(context, step<T, Moment, kStochastic>, dim3(divide_up(x.count, kThreads * kVector)), dim3(kThreads), 0,
                static_cast<T*>(x.parameter), x.master, static_cast<Moment*>(x.m), static_cast<Moment*>(x.v), x.gradient, x.rates, x.clip,
                x.random, x.first, x.count, x.share1, x.share2, x.epsilon, x.weight_decay);
}

}  // namespace

int run(const LaunchContext& context, const Adamw& x) {
  if (x.moments_dtype == DPO4J_BF16) return launch_step<__nv_bfloat16, __nv_bfloat16, true>(context, x);
  if (x.random) return launch_step<__nv_bfloat16, float, true>(context, x);
  return x.dtype == DPO4J_BF16 ? launch_step<__nv_bfloat16>(context, x) : launch_step<float>(context, x);
}

}  // namespace dpo4j::cuda
