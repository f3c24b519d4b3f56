// scale_rows: out[row] = scale[row] in[row], also in place. Turns the unit gradients of rows (for d_logprob = 1) into gradients, once the
// d_logprob of each row is known.
//
// Bytes moved, b the size of an element: 2 b rows width. Share of the roofline: not yet measured on a GPU.
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kRowsPerBlock = 8;

// A warp scales a row. Each element is read and written by the same thread, so out may alias in.
template <class T>
__global__ void __launch_bounds__(32 * kRowsPerBlock, 6)
    scale_row(T* out, const T* in, const float* scale, int64_t rows, int64_t width, int64_t vectors_end) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.y;
  if (row >= rows) return;
  map_columns(out + row * width, in + row * width, width, vectors_end, threadIdx.x, 32, Scaled<T>{scale[row]});
}

template <class T>
int launch_scale(const LaunchContext& context, const dpo4j_scale_rows_params& x) {
  return launch(context, scale_row<T>, dim3(divide_up(x.rows, kRowsPerBlock)), dim3(32, kRowsPerBlock), 0, static_cast<T*>(x.out),
                static_cast<const T*>(x.in), x.scale, x.rows, x.width, whole_vectors_end_to_end(x.width, sizeof(T)));
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_scale_rows_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_scale<__nv_bfloat16>(context, x) : launch_scale<float>(context, x);
}

}  // namespace dpo4j::cuda
