// lerp: out = out + share (in - out), in fp32. For moving averages of weights.
//
// Bytes moved per element: 12 (fp32), 10 (fp32 average of bf16), 6 (bf16). Share of the roofline: not yet measured on a GPU.
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kThreads = 256;

template <class T, class In>
__global__ void __launch_bounds__(kThreads) interpolate(T* out, const In* in, const float* clip, int64_t count, float share) {
  if (clip && *clip != *clip) return;
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for_columns(count, whole_vectors(count), thread, static_cast<int64_t>(gridDim.x) * kThreads, [&](auto n, int64_t i) {
    constexpr int N = decltype(n)::value;
    Vec<N> from = load<N>(out + i);
    const Vec<N> to = load<N>(in + i);
#pragma unroll
    for (int k = 0; k < N; k++) from[k] = share == 1 ? to[k] : fmaf(share, to[k] - from[k], from[k]);
    store<N>(out + i, from);
  });
}

template <class T, class In>
int launch_interpolate(const LaunchContext& context, const dpo4j_lerp_params& x) {
  return launch(context, interpolate<T, In>, dim3(divide_up(x.count, kThreads * kVector)), dim3(kThreads), 0, static_cast<T*>(x.out),
                static_cast<const In*>(x.in), x.clip, x.count, x.share);
}

template <class T>
int launch_into(const LaunchContext& context, const dpo4j_lerp_params& x) {
  return x.in_dtype == DPO4J_BF16 ? launch_interpolate<T, __nv_bfloat16>(context, x) : launch_interpolate<T, float>(context, x);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_lerp_params& x) {
  if (x.share == 0) return 0;
  return x.dtype == DPO4J_BF16 ? launch_into<__nv_bfloat16>(context, x) : launch_into<float>(context, x);
}

}  // namespace dpo4j::cuda
