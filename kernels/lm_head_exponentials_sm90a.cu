// lm_head_exponentials: log-probs as lm_head_forward computes them, with the same bits, and the exponentials of the softmax, from which two
// matrix products make the gradients of hidden states and weight. Hopper only (sm_90a).
//
//   z_j         = y_j = scale (x . w_j + b_j), or cap tanh(y_j / cap)
//   E[row, j]   = 2^(c z_j - offset) dz_j/dy_j                        c = log2(e); S = sum over j of 2^(c z_j - offset)
//   E[row, t]   = -(sum over j != t of 2^(c z_j - offset)) dz_t/dy_t = S expm1(logprob) dz_t/dy_t     t: the target
//   factor[row] = -scale / S
//   dz_j/dy_j   = 1, or 1 - (z_j / cap)^2
//   d logprob / d (x . w_j) = factor[row] E[row, j]
//
// Never materialised: logits and their gradient. E is bf16, which has the range of exponents of fp32. So the offset of a row need not be its
// maximum, which is known only at the end of the row: it is an integer near the target's logit, which a dot product gives before. With it, the
// target's exponential is about 2^-63 and S is above 2^-64. After the products, S is known. If it is above 2^64, the target has a probability
// below 2^-127: the row gets the offset that makes S about 1, and all products of the call run a second time. So E is below 2^64, and a sum of
// E times weights does not overflow. The bits of a row depend neither on other rows nor on whether the products run twice, because equal
// offsets give equal bits.
//
//   choose_offsets()    one warp per row computes the dot product of the row and the weight of its target
//   products()          computes and reduces the products as in lm_head_forward; its epilogue also stores E in bf16 (RowStore)
//   merge()             computes lse, logprob and factor, and a new offset for a row whose S is too large
//   products()          repeats the products if a row has got a new offset, else returns
//   store_targets()     stores E[row, t]
//   merge_statistics()  computes the statistics, if the caller wants them (lm_head_statistics_sm90a.cuh)
//
// The target's element is stored instead of its exponential, because 1 - p of a probable target would lose its digits. E of a masked row is
// 0, whatever its hidden state, and its factor is 0.
//
// Bytes moved: those of lm_head_forward, 2 rows vocabulary for E, and 4 rows hidden_width for the dot products. Predicted: PERFORMANCE.md.
// Share of the roofline: not yet measured on a GPU.
//
// Errors: bf16 rounds E by at most 2^-8, as it would round a gradient. The fp32 arithmetic before it adds less than 2^-16: two exponentials
// (2^-22 each), their exponents up to 126 in fp32 (126 ln 2 2^-24 each), and two products. Exponentials below 2^-126 are 0: less than 2^-62 of
// p_j, since S is above 2^-64. With a cap, dz/dy has an absolute error below 2^-20. The error of the logits is that of lm_head_forward.
#include "lm_head_products_sm90a.cuh"
#include "lm_head_statistics_sm90a.cuh"

namespace dpo4j::cuda {
namespace {

using namespace lm_head_forward;

constexpr float kTargetPower = 63;      // the target's exponential is about 2^-63
constexpr double kMaxSumExponent = 64;  // of log2 S, either sign

struct RowState {
  float* at_target;  // [rows], E of the target
  uint32_t* repeats;
};

__device__ __forceinline__ float dot(const __nv_bfloat16* a, const __nv_bfloat16* b, int64_t width, int lane) {
  float sum = 0;
  for_columns(width, whole_vectors(width), lane, kWarp, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    const Vec<N> left = load<N>(a + column), right = load<N>(b + column);
#pragma unroll
    for (int k = 0; k < N; k++) sum = fmaf(left[k], right[k], sum);
  });
  return warp_sum(sum);
}

// z of a column, from its product.
__device__ __forceinline__ float logit_of(const Problem& problem, float product, int32_t column) {
  const float y = (product + (problem.bias == nullptr ? 0 : problem.bias[column])) * problem.scale;
  return problem.cap == 0 || y == -INFINITY ? y : capped(y, problem.cap, 1 / problem.cap);
}

// A row without a target of the vocabulary gets +inf.
constexpr int kRowsPerBlock = 8;

__global__ void __launch_bounds__(kWarp* kRowsPerBlock)
    choose_offsets(dpo4j_lm_head_exponentials_params x, Problem problem, uint32_t* repeats) {
  if (blockIdx.x == 0 && threadIdx.x == 0) *repeats = 0;
  const int64_t row = int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / kWarp;
  if (row >= x.rows) return;
  const int lane = threadIdx.x % kWarp;
  const int32_t target = x.targets[row];
  float offset = INFINITY;
  if (target >= 0 && target < x.vocabulary) {
    const auto *hidden = static_cast<const __nv_bfloat16*>(x.hidden) + row * x.hidden_stride,
               *weight = static_cast<const __nv_bfloat16*>(x.weight) + target * x.weight_stride;
    const float z = logit_of(problem, dot(hidden, weight, x.hidden_width, lane), target);
    offset = rintf(z * kLog2E) + kTargetPower;
  }
  if (lane == 0) problem.stored.offsets[row] = offset;
}

// Other architectures compile an empty kernel; has_kernel() makes sure that it is never launched.
template <int CLUSTER, class K>
__global__ void __launch_bounds__(kThreads, 1)
    products(const __grid_constant__ TileMap hidden, const __grid_constant__ TileMap weight, const Problem problem) {
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  products_of_block<CLUSTER, K>(hidden, weight, problem);
#endif
}

__global__ void __launch_bounds__(kMergingWarps* kWarp) merge(dpo4j_lm_head_exponentials_params x, Problem problem, RowState state) {
  int64_t row;
  Sums sums;
  if (!merge_tiles(problem, &row, &sums)) return;
  const int32_t target = x.targets[row];
  if (target < 0 || target >= x.vocabulary) {
    x.lse[row] = x.logprob[row] = x.factors[row] = target < 0 ? 0.0f : NAN;
    return;
  }
  const double logprob = sums.logprob(problem, problem.at_target[row]);
  x.lse[row] = sums.lse(problem);
  x.logprob[row] = static_cast<float>(logprob);

  const double log2_sum = sums.maximum + log(sums.sum) * kLog2EDouble;
  float offset = problem.stored.offsets[row];
  if (isfinite(log2_sum) && !(fabs(log2_sum - offset) <= kMaxSumExponent)) {
    offset = static_cast<float>(rint(log2_sum));
    problem.stored.offsets[row] = offset;
    atomicExch(state.repeats, 1u);
  }
  const double sum = sums.sum * exp2(static_cast<double>(sums.maximum) - offset);
  x.factors[row] = static_cast<float>(-x.transform.scale / sum);
  const double t = x.transform.cap == 0 ? 0 : static_cast<double>(problem.at_target[row]) / x.transform.cap;
  state.at_target[row] = static_cast<float>(sum * expm1(logprob) * (1 - t * t));
}

constexpr int kThreadsOfTargets = 256;

__global__ void __launch_bounds__(kThreadsOfTargets) store_targets(dpo4j_lm_head_exponentials_params x, const float* at_target) {
  const int64_t row = int64_t{blockIdx.x} * kThreadsOfTargets + threadIdx.x;
  if (row >= x.rows) return;
  const int32_t target = x.targets[row];
  if (target < 0 || target >= x.vocabulary) return;
  store_one(static_cast<__nv_bfloat16*>(x.exponentials) + row * x.exponentials_stride + target, at_target[row]);
}

dpo4j_lm_head_forward_params forward_of(const dpo4j_lm_head_exponentials_params& x) {
  dpo4j_lm_head_forward_params forward{};
  forward.logprob = x.logprob;
  forward.lse = x.lse;
  forward.statistics = x.statistics;
  forward.workspace = x.workspace;
  forward.hidden = x.hidden;
  forward.hidden_stride = x.hidden_stride;
  forward.targets = x.targets;
  forward.rows = x.rows;
  forward.weight = x.weight;
  forward.weight_stride = x.weight_stride;
  forward.vocabulary = x.vocabulary;
  forward.hidden_width = x.hidden_width;
  forward.transform = x.transform;
  forward.dtype = x.dtype;
  return forward;
}

template <class K>
int launch_products(const LaunchContext& context, int cluster, const dpo4j_lm_head_forward_params& x, const Problem& problem) {
  return lm_head_forward::launch_products(context, cluster, cluster == 2 ? products<2, K> : products<1, K>, x, problem);
}

int launch_products(const LaunchContext& context, int cluster, const dpo4j_lm_head_forward_params& x, const Problem& problem) {
  return for_kind<true>(x, [&](auto kind) { return launch_products<decltype(kind)>(context, cluster, x, problem); });
}

}  // namespace

size_t lm_head_exponentials_workspace_bytes(int64_t rows, int64_t vocabulary) {
  return lm_head_forward_workspace_bytes(rows, vocabulary) + rows * 2 * sizeof(float) + sizeof(uint32_t);
}

int run(const LaunchContext& context, const dpo4j_lm_head_exponentials_params& x) {
  const dpo4j_lm_head_forward_params forward = forward_of(x);
  const int cluster = cluster_of(context, x.rows);
  Problem problem = problem_of(forward, cluster);
  auto* const offsets = reinterpret_cast<float*>(static_cast<unsigned char*>(x.workspace) + workspace_bytes(x.rows, x.vocabulary));
  const RowState state{offsets + x.rows, reinterpret_cast<uint32_t*>(offsets + 2 * x.rows)};
  problem.stored = {static_cast<__nv_bfloat16*>(x.exponentials), x.exponentials_stride, offsets, nullptr};

  int error =
      launch(context, choose_offsets, dim3(divide_up(x.rows, kRowsPerBlock)), dim3(kWarp * kRowsPerBlock), 0, x, problem, state.repeats);
  if (error == cudaSuccess) error = launch_products(context, cluster, forward, problem);
  if (error == cudaSuccess) {
    error = launch(context, merge, dim3(divide_up(x.rows, kWarp)), dim3(kMergingWarps * kWarp), 0, x, problem, state);
  }
  problem.stored.repeats = state.repeats;
  if (error == cudaSuccess) error = launch_products(context, cluster, forward, problem);
  if (error == cudaSuccess) {
    error = launch(context, store_targets, dim3(divide_up(x.rows, kThreadsOfTargets)), dim3(kThreadsOfTargets), 0, x, state.at_target);
  }
  return error == cudaSuccess ? launch_statistics(context, x, problem) : error;
}

}  // namespace dpo4j::cuda
