// residual: out = a + b, element by element; out may be a or b.
//
// Bytes moved, b the size of an element: 3 b count. Share of the roofline: not yet measured on a GPU.
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kThreads = 256;

template <class T>
__global__ void __launch_bounds__(kThreads) add(T* out, const T* a, const T* b, int64_t count) {
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for_columns(count, whole_vectors(count), thread, static_cast<int64_t>(gridDim.x) * kThreads, [&](auto n, int64_t i) {
    constexpr int N = decltype(n)::value;
    Vec<N> sum = load<N>(a + i);
    const Vec<N> other = load<N>(b + i);
#pragma unroll
    for (int k = 0; k < N; k++) sum[k] += other[k];
    store<N>(out + i, sum);
  });
}

template <class T>
int launch_add(const LaunchContext& context, const dpo4j_residual_forward_params& x) {
  return launch(context, add<T>, dim3(divide_up(x.count, kThreads * kVector)), dim3(kThreads), 0, static_cast<T*>(x.out),
                static_cast<const T*>(x.a), static_cast<const T*>(x.b), x.count);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_residual_forward_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_add<__nv_bfloat16>(context, x) : launch_add<float>(context, x);
}

}  // namespace dpo4j::cuda
