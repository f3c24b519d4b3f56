// embedding: rows of a table by index, and their gradient.
//
//   forward    out[r] = scale table[indices[r]]                an index outside the table gives a row of NaN and reads nothing
//   backward   d_table[distinct[s]] += scale sum over i in [offsets[s], offsets[s+1]) of d_out[order[i]]      an empty range touches no row
//
// Never materialised: one-hot rows, and gradients of table rows that do not occur. No atomics: the caller sorts the indices, so one block
// owns each part of a table row and adds in the given order.
//
// Bytes moved, b the size of an element: forward 2 b rows width; backward b rows width + 2 b_table segments width, without empty ranges.
// Predicted: PERFORMANCE.md. Share of the roofline: not yet measured on a GPU.
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kRowsPerBlock = 8;

// A warp copies a row.
template <class T>
__global__ void __launch_bounds__(32 * kRowsPerBlock) forward(T* out, const T* table, const int32_t* indices, int64_t rows,
                                                              int64_t table_rows, int64_t width, int64_t vectors_end, float scale) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.y;
  if (row >= rows) return;
  const int64_t index = indices[row];
  const bool inside = index >= 0 && index < table_rows;
  T* to = out + row * width;
  const T* from = table + (inside ? index : 0) * width;
  for_columns(width, vectors_end, threadIdx.x, 32, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    Vec<N> v;
    if (inside) {
      v = load<N>(from + column);
#pragma unroll
      for (int k = 0; k < N; k++) v[k] *= scale;
    } else {
#pragma unroll
      for (int k = 0; k < N; k++) v[k] = NAN;
    }
    store<N>(to + column, v);
  });
}

constexpr int kBackwardThreads = 128;

// A block owns some columns of one table row and adds the rows of d_out with its index.
template <class Table, class T>
__global__ void __launch_bounds__(kBackwardThreads) backward(Table* d_table, const T* d_out, const int32_t* order, const int32_t* offsets,
                                                             const int32_t* distinct, int64_t width, int64_t vectors_end, float scale) {
  const int64_t segment = blockIdx.x;
  const int32_t begin = offsets[segment], end = offsets[segment + 1];
  if (begin == end) return;
  Table* to = d_table + distinct[segment] * width;
  const int64_t thread = static_cast<int64_t>(blockIdx.y) * kBackwardThreads + threadIdx.x;
  for_columns(width, vectors_end, thread, static_cast<int64_t>(gridDim.y) * kBackwardThreads, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    Vec<N> sum{};
#pragma unroll 4
    for (int32_t i = begin; i < end; i++) {
      const Vec<N> v = load<N>(d_out + order[i] * width + column);
#pragma unroll
      for (int k = 0; k < N; k++) sum[k] += v[k];
    }
    const Vec<N> old = load<N>(to + column);
#pragma unroll
    for (int k = 0; k < N; k++) sum[k] = sum[k] * scale + old[k];
    store<N>(to + column, sum);
  });
}

template <class T>
int launch_forward(const LaunchContext& context, const dpo4j_embedding_forward_params& x) {
  return launch(context, forward<T>, dim3(divide_up(x.rows, kRowsPerBlock)), dim3(32, kRowsPerBlock), 0, static_cast<T*>(x.out),
                static_cast<const T*>(x.table), x.indices, x.rows, x.table_rows, x.width, whole_vectors_end_to_end(x.width, sizeof(T)),
                x.scale);
}

template <class Table, class T>
int launch_backward(const LaunchContext& context, const dpo4j_embedding_backward_params& x) {
  // Elements of d_out are not larger than those of the table: if rows of d_out are 16-byte aligned, so are rows of the table.
  const int64_t vectors_end = whole_vectors_end_to_end(x.width, sizeof(T));
  const int64_t columns_per_block = kBackwardThreads * (vectors_end > 0 ? kVector : 1);
  const dim3 grid(x.segments, x.segments > 0 ? divide_up(x.width, columns_per_block) : 0);
  return launch(context, backward<Table, T>, grid, dim3(kBackwardThreads), 0, static_cast<Table*>(x.d_table),
                static_cast<const T*>(x.d_out), x.order, x.offsets, x.distinct, x.width, vectors_end, x.scale);
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_embedding_forward_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_forward<__nv_bfloat16>(context, x) : launch_forward<float>(context, x);
}

int run(const LaunchContext& context, const dpo4j_embedding_backward_params& x) {
  if (x.dtype == DPO4J_F32) return launch_backward<float, float>(context, x);
  return x.d_table_dtype == DPO4J_F32 ? launch_backward<float, __nv_bfloat16>(context, x)
                                      : launch_backward<__nv_bfloat16, __nv_bfloat16>(context, x);
}

}  // namespace dpo4j::cuda
