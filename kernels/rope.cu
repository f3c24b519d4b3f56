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

constexpr int kMaxThreads = 256;

// The heads whose columns a thread loads before it rotates them: two halves each, so four loads are on their way.
constexpr int kHeads = 2;

struct Rows {
  const int32_t* positions;
  const float *cosine, *sine;
  int64_t heads, head_width, half, row_stride, positions_end;
  float direction;  // 1 forward, -1 backward
};

template <int N>
struct Angles {
  Vec<N> cosine, sine;
};

// A position outside the tables has angles of NaN.
template <int N>
__device__ __forceinline__ Angles<N> load_angles(const Rows& rows, int64_t position, int64_t column) {
  if (position >= 0 && position < rows.positions_end) {
    const int64_t at = position * rows.half + column;
    return {load<N>(rows.cosine + at), load<N>(rows.sine + at)};
  }
  Angles<N> angles;
#pragma unroll
  for (int k = 0; k < N; k++) angles.cosine[k] = angles.sine[k] = NAN;
  return angles;
}

// Rotates N columns of the first half of some heads with those of the second half. The heads are loaded before the angles, whose address
// depends on the position.
template <class T, int N>
__device__ __forceinline__ void rotate_heads(T* heads, const Rows& rows, int64_t position, int64_t column, int64_t first_head) {
  Held<N, T> a[kHeads] = {}, b[kHeads] = {};
#pragma unroll
  for (int i = 0; i < kHeads; i++) {
    const int64_t head = first_head + i * blockDim.y;
    if (head >= rows.heads) continue;
    const T* const first = heads + head * rows.head_width + column;
    a[i] = hold<N>(first);
    b[i] = hold<N>(first + rows.half);
  }
  const Angles<N> angles = load_angles<N>(rows, position, column);
#pragma unroll
  for (int i = 0; i < kHeads; i++) {
    const int64_t head = first_head + i * blockDim.y;
    if (head >= rows.heads) continue;
    const Vec<N> x1 = values(a[i]), x2 = values(b[i]);
    Vec<N> rotated_1, rotated_2;
#pragma unroll
    for (int k = 0; k < N; k++) {
      const float sine = rows.direction * angles.sine[k];
      rotated_1[k] = x1[k] * angles.cosine[k] - x2[k] * sine;
      rotated_2[k] = x2[k] * angles.cosine[k] + x1[k] * sine;
    }
    T* const first = heads + head * rows.head_width + column;
    store<N>(first, rotated_1);
    store<N>(first + rows.half, rotated_2);
  }
}

// A block rotates a row. Thread (x, y) has the columns of vector x of the halves, in heads y, y + blockDim.y, ...: so it divides nothing.
template <class T, int N>
__global__ void __launch_bounds__(kMaxThreads, sizeof(T) == 2 ? 4 : 3) rotate(T* x, Rows rows) {
  const int64_t row = blockIdx.x;
  const int64_t position = rows.positions[row];
  T* const heads = x + row * rows.row_stride;
  for (int64_t column = threadIdx.x * N; column < rows.half; column += blockDim.x * N) {
    for (int64_t head = threadIdx.y; head < rows.heads; head += kHeads * blockDim.y)
      rotate_heads<T, N>(heads, rows, position, column, head);
  }
  if (position >= 0 && position < rows.positions_end) return;
  for (int64_t head = threadIdx.y; head < rows.heads; head += blockDim.y) {
    for (int64_t column = 2 * rows.half + threadIdx.x; column < rows.head_width; column += blockDim.x) {
      store<1>(heads + head * rows.head_width + column, Vec<1>{{NAN}});
    }
  }
}

// The threads of a block: all vectors of the halves, and half of the heads, as far as a block may have threads.
dim3 threads_of(int64_t vectors, int64_t heads) {
  const int64_t x = vectors < kMaxThreads ? vectors : kMaxThreads, max_y = kMaxThreads / x, y = divide_up(heads, kHeads);
  return dim3(x, y < max_y ? y : max_y);
}

template <class T>
int launch_rotate(const LaunchContext& context, const Rope& x) {
  const int64_t half = x.rotary_width / 2;
  const Rows rows{x.positions, x.cosine, x.sine, x.heads, x.head_width, half, x.row_stride, x.positions_end, x.backward ? -1.0f : 1.0f};
  // If heads and halves are multiples of the vector, halves are 16-byte aligned in the tensor and in the tables.
  const bool vectors = x.head_width % kVector == 0 && half % kVector == 0;
  return launch(context, vectors ? rotate<T, kVector> : rotate<T, 1>, dim3(x.rows), threads_of(vectors ? half / kVector : half, x.heads), 0,
                static_cast<T*>(x.x), rows);
}

}  // namespace

int run(const LaunchContext& context, const Rope& x) {
  return x.dtype == DPO4J_BF16 ? launch_rotate<__nv_bfloat16>(context, x) : launch_rotate<float>(context, x);
}

}  // namespace dpo4j::cuda
