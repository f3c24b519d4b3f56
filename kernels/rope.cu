// rope: rotary positions in place, half-split pairs (Su et al. 2021).
//
//   forward    (x1, x2) -> (x1 c - x2 s, x2 c + x1 s)      c, s: cosine and sine at the row's position; x1, x2: the halves of a head's
//                                                          first rotary_width elements
//   backward   the same with -s: the transpose
//
// Never materialised: a rotated copy. If a position is outside the tables, its row becomes NaN. Bytes moved, b the size of an element: 2 b
// rows heads rotary_width; the tables stay in the cache. Share of the roofline: not yet measured on a GPU.
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

struct Rows {
  const int32_t* positions;
  const float *cosine, *sine;
  int64_t heads, head_width, half, row_stride, positions_end;
  float direction;  // 1 forward, -1 backward
};

// A block rotates a row. A thread rotates N consecutive columns of the first half with those of the second half.
template <class T, int N>
__global__ void __launch_bounds__(128) rotate(T* x, Rows rows) {
  const int64_t row = blockIdx.x;
  const int64_t position = rows.positions[row];
  T* const heads = x + row * rows.row_stride;
  if (position < 0 || position >= rows.positions_end) {
    for (int64_t column = threadIdx.x; column < rows.heads * rows.head_width; column += blockDim.x) store<1>(heads + column, Vec<1>{{NAN}});
    return;
  }
  const int32_t groups = static_cast<int32_t>(rows.half / N), items = static_cast<int32_t>(rows.heads) * groups;
  for (int32_t item = threadIdx.x; item < items; item += blockDim.x) {
    const int64_t head = item / groups, column = item % groups * N;
    T* first = heads + head * rows.head_width + column;
    T* second = first + rows.half;
    const int64_t angle = position * rows.half + column;
    const Vec<N> a = load<N>(first), b = load<N>(second), c = load<N>(rows.cosine + angle), s = load<N>(rows.sine + angle);
    Vec<N> rotated_a, rotated_b;
#pragma unroll
    for (int k = 0; k < N; k++) {
      const float sine = rows.direction * s[k];
      rotated_a[k] = a[k] * c[k] - b[k] * sine;
      rotated_b[k] = b[k] * c[k] + a[k] * sine;
    }
    store<N>(first, rotated_a);
    store<N>(second, rotated_b);
  }
}

template <class T>
int launch_rotate(const LaunchContext& context, const Rope& x) {
  const int64_t half = x.rotary_width / 2;
  const Rows rows{x.positions, x.cosine, x.sine, x.heads, x.head_width, half, x.row_stride, x.positions_end, x.backward ? -1.0f : 1.0f};
  // If heads and halves are multiples of the vector, halves are 16-byte aligned in the tensor and in the tables.
  const bool vectors = x.head_width % kVector == 0 && half % kVector == 0;
  const int64_t items = x.heads * half / (vectors ? kVector : 1);
  return launch(context, vectors ? rotate<T, kVector> : rotate<T, 1>, dim3(x.rows), dim3(items > 32 ? 128 : 32), 0, static_cast<T*>(x.x),
                rows);
}

}  // namespace

int run(const LaunchContext& context, const Rope& x) {
  return x.dtype == DPO4J_BF16 ? launch_rotate<__nv_bfloat16>(context, x) : launch_rotate<float>(context, x);
}

}  // namespace dpo4j::cuda
