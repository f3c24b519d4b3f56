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
    Values<N> sum = load<N>(a + i);
    const Values<N> other = load<N>(b + i);
#pragma unroll
    for (int k = 0; k < N; k++) sum[k] += other[k];
    store<N>(out + i, sum);
  });
}

template <class T>
int add_of(const Queue& queue, const ResidualForward& x) {
  return launch(queue, add<T>, dim3(divide_up(x.count, kThreads * kVector)), dim3(kThreads), 0, static_cast<T*>(x.out),
                static_cast<const T*>(x.a), static_cast<const T*>(x.b), x.count);
}

}  // namespace

int run(const Queue& queue, const ResidualForward& x) {
  return x.dtype == DPO4J_BF16 ? add_of<__nv_bfloat16>(queue, x) : add_of<float>(queue, x);
}

}  // namespace dpo4j::cuda
