// copy_rows: out[out_rows[i]] = in[in_rows[i]]: gathers completion rows for the head, and scatters their gradients.
//
// Bytes moved, b the size of an element: 2 b rows width. Share of the roofline: not yet measured on a GPU.
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kRowsPerBlock = 8;

// A warp copies a row, with four 16-byte loads of each thread on their way. If an index array is null, row i has index i.
template <class T>
__global__ void __launch_bounds__(32 * kRowsPerBlock, 6) copy(T* out, const T* in, const int32_t* out_rows, const int32_t* in_rows,
                                                              int64_t rows, int64_t width, int64_t out_stride, int64_t in_stride) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.y;
  if (i >= rows) return;
  T* to = out + (out_rows ? out_rows[i] : i) * out_stride;
  const T* from = in + (in_rows ? in_rows[i] : i) * in_stride;
  map_columns(to, from, width, whole_vectors(width), threadIdx.x, 32, [](auto stored) { return stored; });
}

template <class T>
int launch_copy(const LaunchContext& context, const dpo4j_copy_rows_params& x) {
  return launch(context, copy<T>, dim3(divide_up(x.rows, kRowsPerBlock)), dim3(32, kRowsPerBlock), 0, static_cast<T*>(x.out),
                static_cast<const T*>(x.in), x.out_rows, x.in_rows, x.rows, x.width, x.out_stride, x.in_stride);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_copy_rows_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_copy<__nv_bfloat16>(context, x) : launch_copy<float>(context, x);
}

}  // namespace dpo4j::cuda
