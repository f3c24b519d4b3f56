// rms_norm: y = w x rstd, w = weight + weight_offset, rstd = 1 / sqrt(mean(x^2) + epsilon) (Zhang and Sennrich 2019). x may be the sum of
// the residual stream and the output of a branch; the kernel then computes and stores the sum in the same pass.
//
//   backward, with g = w dy:   d_x = d_residual + rstd (g - x rstd^2 mean(g x))        d_w += sum over rows of dy x rstd
//
// If the sum of squares of a row overflows, the row becomes NaN: 1 / infinity would make it 0, which looks like a valid result.
//
// Never materialised: the normalised row, and g. A warp has a row of up to 2048 columns in forward and 1024 in backward, a block a wider
// one. Threads keep the row in registers between reading and writing it. Columns beyond KEPT vectors per thread, and those after the last
// whole vector, are read again from cache instead. Backward loads d_residual and the next row before the sum over the row, so that memory
// is read meanwhile.
//
// d_w is summed without atomics: `parts` blocks each add their rows in order to their own part of the workspace. A second launch adds the
// parts in a fixed order. The number of parts depends only on the sizes. A row with several groups, such as heads, counts as so many rows.
//
// Bytes moved, b the size of an element: forward 2 b rows width, or 4 b with a sum (residual and then rms_norm would move 5 b); backward 4
// b rows width (3 b without residual) + 8 parts width. Predicted: PERFORMANCE.md. Share of the roofline: not yet measured on a GPU.
#include "norm.cuh"

namespace dpo4j::cuda {
namespace {

// ---- forward

// The rows of narrow widths are distributed to blocks of this many threads.
constexpr int kNarrowBlock = 128;

constexpr int block_of(int threads) { return threads <= kWarp ? kNarrowBlock : threads; }

template <class T>
struct Forward {
  T* out;
  float* rstd;
  T* sum;
  const T *x, *residual, *weight;
  int64_t rows, groups, width, mean_width, vectors_end, x_stride, out_stride;
  float epsilon, weight_offset;
};

template <int N, class T>
__device__ __forceinline__ void write(const Forward<T>& params, T* out, Vec<N> v, int64_t column, float r) {
  const Vec<N> w = load<N>(params.weight + column);
#pragma unroll
  for (int k = 0; k < N; k++) v[k] = v[k] * r * (w[k] + params.weight_offset);
  store<N>(out + column, v);
}

// The warps of an SM, as the registers for the vectors that a thread keeps allow.
template <class T>
constexpr int forward_warps(int kept) {
  if (sizeof(T) == 2) return kept == 1 ? 40 : kept == 4 ? 24 : 16;
  return kept == 1 ? 32 : kept == 4 ? 16 : 8;
}

// THREADS threads have a group of a row. Those along y have the groups of one row, or one group of so many rows. At the end of rows some
// have none: they go on with a width of 0, because the sum over a part of a warp takes all its threads.
template <class T, int THREADS, int KEPT, bool IS_WHOLE, bool RESIDUAL>
__global__ void __launch_bounds__(block_of(THREADS), forward_warps<T>(KEPT) * kWarp / block_of(THREADS)) forward(Forward<T> params) {
  const bool has_groups = params.groups > 1;
  const int64_t row = has_groups ? blockIdx.x : static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  const int64_t group = has_groups ? blockIdx.y * blockDim.y + threadIdx.y : 0;
  const bool inside = row < params.rows && group < params.groups;
  const int64_t begin = row * params.x_stride + group * params.width;
  T* const out = params.out + row * params.out_stride + group * params.width;
  const T* const x = (RESIDUAL ? params.sum : params.x) + begin;
  const auto for_row = [&](auto kept, auto step) {
    for_kept_columns<THREADS, KEPT, IS_WHOLE>(inside ? params.width : 0, inside ? params.vectors_end : 0, kept, step);
  };
  Vec<kVector> kept[KEPT] = {};
  [[maybe_unused]] Stored<T> branch[RESIDUAL ? KEPT : 1] = {};
  for_row(
      [&](int i, int64_t column) {
        kept[i] = load<kVector>(params.x + begin + column);
        if constexpr (RESIDUAL) branch[i] = hold<kVector>(params.residual + begin + column);
      },
      [](auto, int64_t) {});
  float squares = 0;
  const auto square = [&](const auto& v) {
    for (float value : v.x) squares += value * value;
  };
  for_row(
      [&](int i, int64_t column) {
        if constexpr (RESIDUAL) kept[i] = store_sum<kVector>(params.sum + begin + column, kept[i], values(branch[i]));
        square(kept[i]);
      },
      [&](auto n, int64_t column) {
        constexpr int N = decltype(n)::value;
        const int64_t at = begin + column;
        square(RESIDUAL ? add<N>(params.sum + at, params.x + at, params.residual + at) : load<N>(x + column));
      });
  const float all_squares = row_sum<THREADS>(squares, 0);
  const float r = all_squares < INFINITY ? 1.0f / sqrtf(all_squares / params.mean_width + params.epsilon) : NAN;
  if (inside && threadIdx.x == 0) params.rstd[row * params.groups + group] = r;
  for_row([&](int i, int64_t column) { write(params, out, kept[i], column, r); },
          [&](auto n, int64_t column) { write(params, out, load<decltype(n)::value>(x + column), column, r); });
}

// ---- backward

template <class T>
struct Backward {
  T* d_x;
  float* parts;  // [blocks, width]
  const T *d_out, *d_residual, *x, *weight;
  const float* rstd;
  int64_t count, per_team;  // groups of all rows
  int64_t groups, width, mean_width, vectors_end, x_stride, out_stride;
  float weight_offset;
  bool is_shared;  // d_weight of columns that are not in registers is in shared memory, else in the workspace
};

struct Group {
  int64_t row, group;
};

// The vectors of a group that a thread keeps.
template <class T, int KEPT>
struct KeptGroup {
  Stored<T> d_out[KEPT], x[KEPT];
  float rstd;
};

template <class T, int THREADS, int KEPT, bool IS_WHOLE>
__device__ __forceinline__ KeptGroup<T, KEPT> load_group(const Backward<T>& params, const Group& at) {
  const T* const d_out = params.d_out + at.row * params.out_stride + at.group * params.width;
  const T* const x = params.x + at.row * params.x_stride + at.group * params.width;
  KeptGroup<T, KEPT> kept = {};
  for_kept_columns<THREADS, KEPT, IS_WHOLE>(
      params.width, params.vectors_end,
      [&](int i, int64_t column) {
        kept.d_out[i] = hold<kVector>(d_out + column);
        kept.x[i] = hold<kVector>(x + column);
      },
      [](auto, int64_t) {});
  kept.rstd = params.rstd[at.row * params.groups + at.group];
  return kept;
}

// One group of a row. Each function takes N columns of it.
template <class T>
struct BackwardGroup {
  const T *d_out, *x, *weight;
  T* d_x;
  float rstd, weight_offset;
  float dot = 0;  // of g and x

  template <int N>
  __device__ __forceinline__ void add_up(const Vec<N>& dy, const Vec<N>& v, int64_t column, Vec<N>& d_weight) {
    const Vec<N> w = load<N>(weight + column);
#pragma unroll
    for (int k = 0; k < N; k++) {
      dot += dy[k] * (w[k] + weight_offset) * v[k];
      d_weight[k] += dy[k] * (v[k] * rstd);
    }
  }

  template <int N>
  __device__ __forceinline__ void write(const Vec<N>& dy, const Vec<N>& v, Vec<N> dx, int64_t column, float slope) const {
    const Vec<N> w = load<N>(weight + column);
#pragma unroll
    for (int k = 0; k < N; k++) dx[k] += rstd * (dy[k] * (w[k] + weight_offset) - v[k] * slope);
    store<N>(d_x + column, dx);
  }
};

// A team of THREADS threads has per_team groups, one after the other. A block has TEAMS teams, and writes one part.
template <class T, int THREADS, int KEPT, bool IS_WHOLE, int TEAMS, int WARPS>
__global__ void __launch_bounds__(THREADS* TEAMS, WARPS* kWarp / (THREADS * TEAMS)) backward(Backward<T> params) {
  DPO4J_DYNAMIC_SHARED(float, shared);
  float* const part = params.parts + blockIdx.x * params.width;
  float* const rest = params.is_shared ? shared + threadIdx.y * params.width : part;  // d_weight of columns that are not in registers
  const auto for_row = [&](auto kept, auto step) {
    for_kept_columns<THREADS, KEPT, IS_WHOLE>(params.width, params.vectors_end, kept, step);
  };
  for_row([](int, int64_t) {}, [&](auto n, int64_t column) { store<decltype(n)::value>(rest + column, {}); });

  Vec<kVector> d_weight[KEPT] = {};
  const int64_t begin = (static_cast<int64_t>(blockIdx.x) * TEAMS + threadIdx.y) * params.per_team;
  const int64_t end = begin + params.per_team < params.count ? begin + params.per_team : params.count;
  Group next{begin / params.groups, begin % params.groups};
  KeptGroup<T, KEPT> loaded = {};
  if (begin < end) loaded = load_group<T, THREADS, KEPT, IS_WHOLE>(params, next);
  for (int64_t i = begin; i < begin + params.per_team; i++) {
    // A team that is part of a warp goes on with a width of 0, because the sum over a row takes all threads of a warp.
    const bool inside = i < end;
    if (THREADS >= kWarp && !inside) break;
    const auto for_group = [&](auto kept, auto step) {
      for_kept_columns<THREADS, KEPT, IS_WHOLE>(inside ? params.width : 0, inside ? params.vectors_end : 0, kept, step);
    };
    const KeptGroup<T, KEPT> kept = loaded;
    const int64_t out = next.row * params.out_stride + next.group * params.width;
    const T* const x = params.x + next.row * params.x_stride + next.group * params.width;
    const T* const d_residual = params.d_residual ? params.d_residual + out : nullptr;
    BackwardGroup<T> group{params.d_out + out, x, params.weight, params.d_x + out, kept.rstd, params.weight_offset};
    Stored<T> residual[KEPT] = {};
    if (d_residual) {
      for_group([&](int k, int64_t column) { residual[k] = hold<kVector>(d_residual + column); }, [](auto, int64_t) {});
    }
    if (++next.group == params.groups) next = {next.row + 1, 0};
    if (i + 1 < end) loaded = load_group<T, THREADS, KEPT, IS_WHOLE>(params, next);

    for_group([&](int k, int64_t column) { group.add_up(values(kept.d_out[k]), values(kept.x[k]), column, d_weight[k]); },
              [&](auto n, int64_t column) {
                constexpr int N = decltype(n)::value;
                Vec<N> sum = load<N>(rest + column);
                group.add_up(load<N>(group.d_out + column), load<N>(group.x + column), column, sum);
                store<N>(rest + column, sum);
              });
    const float dot = row_sum<THREADS>(group.dot, static_cast<int>(i & 1));
    const float slope = dot / params.mean_width * group.rstd * group.rstd;
    for_group([&](int k, int64_t column) { group.write(values(kept.d_out[k]), values(kept.x[k]), values(residual[k]), column, slope); },
              [&](auto n, int64_t column) {
                constexpr int N = decltype(n)::value;
                Vec<N> dx{};
                if (d_residual) dx = load<N>(d_residual + column);
                group.write(load<N>(group.d_out + column), load<N>(group.x + column), dx, column, slope);
              });
  }

  if constexpr (TEAMS == 1) {
    for_row([&](int k, int64_t column) { store<kVector>(part + column, d_weight[k]); },
            [&](auto n, int64_t column) {
              constexpr int N = decltype(n)::value;
              if (params.is_shared) store<N>(part + column, load<N>(rest + column));
            });
  } else {
    for_row([&](int k, int64_t column) { store<kVector>(rest + column, d_weight[k]); }, [](auto, int64_t) {});
    __syncthreads();
    for (int64_t column = threadIdx.y * THREADS + threadIdx.x; column < params.width; column += THREADS * TEAMS) {
      float sum = shared[column];
#pragma unroll
      for (int team = 1; team < TEAMS; team++) sum += shared[team * params.width + column];
      part[column] = sum;
    }
  }
}

// ---- launches

// As whole_vectors_end_to_end, for groups of rows with these strides.
int64_t vectors_end(int64_t width, int64_t x_stride, int64_t out_stride, int64_t element_bytes) {
  const bool aligned = x_stride * element_bytes % 16 == 0 && out_stride * element_bytes % 16 == 0;
  return aligned ? whole_vectors_end_to_end(width, element_bytes) : 0;
}

// How rows of up to max_width columns are distributed: so many threads have a row, and each keeps so many vectors. The width alone decides,
// so that the bits of a row do not depend on other rows.
struct ForwardRows {
  int64_t max_width;
  int threads, kept;
};
constexpr ForwardRows kForwardRows[] = {{128, 16, 1}, {1024, 32, 4}, {2048, 32, 8}, {4096, 128, 4}, {INT64_MAX, 256, 4}};

template <class T, bool RESIDUAL, int I = 0>
int launch_forward(const LaunchContext& context, const Forward<T>& params) {
  constexpr ForwardRows kRows = kForwardRows[I];
  constexpr bool kIsWhole = kRows.max_width < INT64_MAX;
  if constexpr (kIsWhole) {
    if (params.width > kRows.max_width) return launch_forward<T, RESIDUAL, I + 1>(context, params);
  }
  constexpr int kTeams = block_of(kRows.threads) / kRows.threads;
  const dim3 grid = params.groups > 1 ? dim3(params.rows, divide_up(params.groups, kTeams)) : dim3(divide_up(params.rows, kTeams));
  return launch(context, forward<T, kRows.threads, kRows.kept, kIsWhole, RESIDUAL>, grid, dim3(kRows.threads, kTeams), 0, params);
}

template <class T>
int launch_forward(const LaunchContext& context, const dpo4j_rms_norm_forward_params& x) {
  const Forward<T> params{static_cast<T*>(x.out),
                          x.rstd,
                          static_cast<T*>(x.sum),
                          static_cast<const T*>(x.x),
                          static_cast<const T*>(x.residual),
                          static_cast<const T*>(x.weight),
                          x.rows,
                          x.groups,
                          x.width,
                          x.mean_width,
                          vectors_end(x.width, x.x_stride, x.out_stride, sizeof(T)),
                          x.x_stride,
                          x.out_stride,
                          x.epsilon,
                          x.weight_offset};
  return x.residual != nullptr ? launch_forward<T, true>(context, params) : launch_forward<T, false>(context, params);
}

// The same for backward. A block has `teams` rows at a time. There are as many blocks as 128 SMs run at once, if there are rows for them.
struct BackwardRows {
  int64_t max_width;
  int threads, kept, teams;
  int64_t max_parts;
};
constexpr BackwardRows kBackwardRows[] = {{128, 16, 1, 8, 768}, {1024, 32, 4, 4, 384}, {4096, 128, 4, 1, 384}, {INT64_MAX, 256, 4, 1, 128}};

// The warps of an SM, as registers for two rows, d_residual and d_weight allow.
template <class T>
constexpr int backward_warps(BackwardRows rows) {
  if (rows.kept == 1) return sizeof(T) == 2 ? 24 : 20;
  return sizeof(T) == 2 && rows.threads < 256 ? 12 : 8;
}

int64_t parts_of(int64_t rows, int64_t width) {
  const BackwardRows* distribution = kBackwardRows;
  while (width > distribution->max_width) distribution++;
  return part_count(divide_up(rows, distribution->teams), distribution->max_parts);
}

template <class T, int I = 0>
int launch_backward(const LaunchContext& context, Backward<T> params, int64_t parts) {
  constexpr BackwardRows kRows = kBackwardRows[I];
  constexpr bool kIsWhole = kRows.max_width < INT64_MAX;
  if constexpr (kIsWhole) {
    if (params.width > kRows.max_width) return launch_backward<T, I + 1>(context, params, parts);
  }
  constexpr int kThreads = kRows.threads, kKept = kRows.kept, kTeams = kRows.teams;
  const bool is_kept = params.vectors_end == params.width && params.width <= kThreads * kKept * kVector;
  const size_t row_bytes = params.width * sizeof(float);
  params.is_shared = kTeams > 1 || (!is_kept && row_bytes <= kDefaultSharedBytes);
  params.per_team = divide_up(params.count, parts * kTeams);
  return launch(context, backward<T, kThreads, kKept, kIsWhole, kTeams, backward_warps<T>(kRows)>, dim3(parts), dim3(kThreads, kTeams),
                params.is_shared ? kTeams * row_bytes : 0, params);
}

template <class T>
int launch_backward(const LaunchContext& context, const dpo4j_rms_norm_backward_params& x) {
  if (x.rows == 0) return cudaSuccess;
  const int64_t count = x.rows * x.groups, parts = parts_of(count, x.width);
  const Backward<T> params{static_cast<T*>(x.d_x),
                           static_cast<float*>(x.workspace),
                           static_cast<const T*>(x.d_out),
                           static_cast<const T*>(x.d_residual),
                           static_cast<const T*>(x.x),
                           static_cast<const T*>(x.weight),
                           x.rstd,
                           count,
                           0,
                           x.groups,
                           x.width,
                           x.mean_width,
                           vectors_end(x.width, x.x_stride, x.out_stride, sizeof(T)),
                           x.x_stride,
                           x.out_stride,
                           x.weight_offset,
                           false};
  const int error = launch_backward<T>(context, params, parts);
  if (error != cudaSuccess || x.d_weight == nullptr) return error;
  return launch_add_parts(context, x.d_weight, nullptr, params.parts, parts, x.width);
}

}  // namespace

size_t rms_norm_backward_workspace_bytes(int64_t rows, int64_t width) { return parts_of(rows, width) * width * sizeof(float); }

int run(const LaunchContext& context, const dpo4j_rms_norm_forward_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_forward<__nv_bfloat16>(context, x) : launch_forward<float>(context, x);
}

int run(const LaunchContext& context, const dpo4j_rms_norm_backward_params& x) {
  return x.dtype == DPO4J_BF16 ? launch_backward<__nv_bfloat16>(context, x) : launch_backward<float>(context, x);
}

}  // namespace dpo4j::cuda
