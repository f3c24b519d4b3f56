// embedding: rows of a table by index, and their gradient.
//
//   forward    out[r] = scale table[indices[r]]                an index outside the table gives a row of NaN and reads nothing
//   backward   d_table[distinct[s]] += scale sum over i in [offsets[s], offsets[s+1]) of d_out[order[i]]      an empty range touches no row
//
// A warp adds the rows of a range in the given order. A range of more than kPart rows is cut into parts of that size, which the warps of a
// block add side by side; then the parts are added in order. So the bits depend on the range alone.
//
// Never materialised: one-hot rows, and gradients of table rows that do not occur. No atomics: the caller sorts the indices, so one block
// owns each part of a table row.
//
// Bytes moved, b the size of an element: forward 2 b rows width; backward b rows width + 2 b_table segments width, without empty ranges.
// Predicted: PERFORMANCE.md. Share of the roofline: not yet measured on a GPU.
#include "reduce.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

constexpr int kRowsPerBlock = 8;

// A warp copies a row.
template <class T>
__global__ void __launch_bounds__(kWarp* kRowsPerBlock, 6) forward(T* out, const T* table, const int32_t* indices, int64_t rows,
                                                                   int64_t table_rows, int64_t width, int64_t vectors_end, float scale) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock + threadIdx.y;
  if (row >= rows) return;
  const int64_t index = indices[row];
  T* const to = out + row * width;
  if (index >= 0 && index < table_rows) {
    map_columns(to, table + index * width, width, vectors_end, threadIdx.x, kWarp, Scaled<T>{scale});
  } else {
    for (int64_t column = threadIdx.x; column < width; column += kWarp) store<1>(to + column, Vec<1>{{NAN}});
  }
}

// A block has the ranges of kRanges segments, one for each lane, so that blocks of empty ranges are few, and kWarp vectors of columns.
constexpr int kRanges = kWarp, kWarps = 8, kPart = 128;

template <class Table, class T>
struct Backward {
  Table* d_table;
  const T* d_out;
  const int32_t *order, *offsets, *distinct;
  int64_t segments, width, vectors_end;
  float scale;
};

// The sum of N columns of rows order[begin] to order[end - 1]. A thread loads 128 bytes before it adds them.
template <int N, class Table, class T>
__device__ __forceinline__ Vec<N> sum_rows(const Backward<Table, T>& x, int64_t column, int32_t begin, int32_t end) {
  constexpr int kAtOnce = kPer16Bytes<T>;
  Vec<N> sum{};
  for (int32_t i = begin; i < end; i += kAtOnce) {
    Held<N, T> rows[kAtOnce] = {};
#pragma unroll
    for (int k = 0; k < kAtOnce; k++) {
      if (i + k < end) rows[k] = hold<N>(x.d_out + x.order[i + k] * x.width + column);
    }
#pragma unroll
    for (int k = 0; k < kAtOnce; k++) {
      const Vec<N> v = values(rows[k]);
#pragma unroll
      for (int j = 0; j < N; j++) sum[j] += v[j];
    }
  }
  return sum;
}

// The columns of a thread: kVector from `first` on, fewer at the end of a row. They are loaded one by one where rows are not aligned.
struct Columns {
  int64_t first;
  int32_t count;
  bool is_vector;
};

template <class Table, class T>
__device__ __forceinline__ Vec<kVector> sum_range(const Backward<Table, T>& x, const Columns& columns, int32_t begin, int32_t end) {
  if (columns.is_vector) return sum_rows<kVector>(x, columns.first, begin, end);
  Vec<kVector> sum{};
#pragma unroll
  for (int k = 0; k < kVector; k++) {
    if (k < columns.count) sum[k] = sum_rows<1>(x, columns.first + k, begin, end)[0];
  }
  return sum;
}

template <int N, class Table>
__device__ __forceinline__ void add_scaled(Table* to, Vec<N> sum, float scale) {
  const Vec<N> old = load<N>(to);
#pragma unroll
  for (int k = 0; k < N; k++) sum[k] = sum[k] * scale + old[k];
  store<N>(to, sum);
}

template <class Table, class T>
__device__ __forceinline__ void add_to_table(const Backward<Table, T>& x, const Columns& columns, int64_t segment,
                                             const Vec<kVector>& sum) {
  Table* const to = x.d_table + x.distinct[segment] * x.width + columns.first;
  if (columns.is_vector) {
    add_scaled<kVector>(to, sum, x.scale);
    return;
  }
#pragma unroll
  for (int k = 0; k < kVector; k++) {
    if (k < columns.count) add_scaled<1>(to + k, Vec<1>{{sum[k]}}, x.scale);
  }
}

// A range of more than kPart rows, by all warps of the block. The first warp has the result.
template <class Table, class T>
__device__ __forceinline__ Vec<kVector> sum_parts(const Backward<Table, T>& x, const Columns& columns, int32_t begin, int32_t end) {
  DPO4J_SHARED(float, parts, [kWarps][kVector][kWarp]);
  Vec<kVector> total{};
  for (int32_t at = begin; at < end; at += kWarps * kPart) {
    const int32_t first = at + static_cast<int32_t>(threadIdx.y) * kPart, last = first + kPart < end ? first + kPart : end;
    const Vec<kVector> part = sum_range(x, columns, first, last);
#pragma unroll
    for (int k = 0; k < kVector; k++) parts[threadIdx.y][k][threadIdx.x] = part[k];
    __syncthreads();
    for (int warp = 0; threadIdx.y == 0 && warp < kWarps; warp++) {
#pragma unroll
      for (int k = 0; k < kVector; k++) total[k] += parts[warp][k][threadIdx.x];
    }
    __syncthreads();  // parts may be written again
  }
  return total;
}

template <class Table, class T>
__global__ void __launch_bounds__(kWarp* kWarps, sizeof(T) == 2 ? 4 : 3) backward(Backward<Table, T> x) {
  const int64_t first_segment = static_cast<int64_t>(blockIdx.x) * kRanges, segment = first_segment + threadIdx.x;
  int32_t begin = 0, end = 0;
  if (segment < x.segments) begin = x.offsets[segment], end = x.offsets[segment + 1];
  const int64_t column = (static_cast<int64_t>(blockIdx.y) * kWarp + threadIdx.x) * kVector;
  const int32_t count = static_cast<int32_t>(x.width - column < kVector ? x.width - column : kVector);  // none if 0 or less
  const Columns columns{column, count, column < x.vectors_end};

  for (int range = static_cast<int>(threadIdx.y); range < kRanges; range += kWarps) {
    const int32_t from = __shfl_sync(kAllLanes, begin, range), to = __shfl_sync(kAllLanes, end, range);
    if (to == from || to - from > kPart) continue;
    add_to_table(x, columns, first_segment + range, sum_range(x, columns, from, to));
  }
  for (uint32_t many = __ballot_sync(kAllLanes, end - begin > kPart); many != 0; many &= many - 1) {
    const int range = __ffs(static_cast<int>(many)) - 1;
    const int32_t from = __shfl_sync(kAllLanes, begin, range), to = __shfl_sync(kAllLanes, end, range);
    const Vec<kVector> sum = sum_parts(x, columns, from, to);
    if (threadIdx.y == 0) add_to_table(x, columns, first_segment + range, sum);
  }
}

template <class T>
int launch_forward(const LaunchContext& context, const dpo4j_embedding_forward_params& x) {
  return launch(context, forward<T>, dim3(divide_up(x.rows, kRowsPerBlock)), dim3(kWarp, kRowsPerBlock), 0, static_cast<T*>(x.out),
                static_cast<const T*>(x.table), x.indices, x.rows, x.table_rows, x.width, whole_vectors_end_to_end(x.width, sizeof(T)),
                x.scale);
}

template <class Table, class T>
int launch_backward(const LaunchContext& context, const dpo4j_embedding_backward_params& x) {
  // Elements of d_out are not larger than those of the table: if rows of d_out are 16-byte aligned, so are rows of the table.
  const Backward<Table, T> params{static_cast<Table*>(x.d_table),
                                  static_cast<const T*>(x.d_out),
                                  x.order,
                                  x.offsets,
                                  x.distinct,
                                  x.segments,
                                  x.width,
                                  whole_vectors_end_to_end(x.width, sizeof(T)),
                                  x.scale};
  const dim3 grid(divide_up(x.segments, kRanges), divide_up(x.width, kWarp * kVector));
  return launch(context, backward<Table, T>, grid, dim3(kWarp, kWarps), 0, params);
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
