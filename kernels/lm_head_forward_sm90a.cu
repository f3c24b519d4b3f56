// lm_head_forward: log-probs of targets directly from hidden states and the weight of the LM head, Hopper only (sm_90a).
//
//   z_j     = scale (x . w_j + b_j), or cap tanh(scale (x . w_j + b_j) / cap)
//   lse     = m + log(sum over j of exp(z_j - m)), m the max z
//   logprob = (z_target - m) - log(sum ...)
//
// Never materialised: logits. They exist only as fp32 accumulators, 128 per thread. For each row and tile of 256 columns, products() writes
// a maximum and a sum to the workspace, and merge() combines those of a row in an order that depends only on the number of tiles. So the
// bits of a row depend only on the row, the weight and the vocabulary.
//
//   products()   Loads, products and their order: lm_head_products_sm90a.cuh.
//   reductions   A warpgroup reduces its part of a tile in about 1300 clocks: a maximum, then one fma, one exp2 and one addition per
//                element. exp2 is the bottleneck: an SM computes 16 per clock. The products of a tile take 16 clocks per column of x:
//                14336 at width 896. The reduction of one consumer overlaps with the products of the other.
//
// Bytes moved: 2 hidden_width (rows + vocabulary ceil(rows / rows that stay in L2)) and 16 rows ceil(vocabulary / 256). FLOPs: 2 rows
// vocabulary hidden_width. Predicted: PERFORMANCE.md. Share of the roofline: not yet measured on a GPU.
//
// Statistics need five more numbers per row and tile, and four more instructions per element: lm_head_statistics_sm90a.cuh.
//
// Errors: tensor cores truncate when they accumulate. So the relative error of a logit is about hidden_width / 16 * 2^-25, towards 0: 1e-4
// nat for logits that differ by 13 at width 4096. This holds for every product on these tensor cores. Exponentials and sums add less than
// 2e-6 nat.
#include "lm_head_products_sm90a.cuh"
#include "lm_head_statistics_sm90a.cuh"

namespace dpo4j::cuda {
namespace {

using namespace lm_head_forward;

// Other architectures compile an empty kernel; has_kernel() makes sure that it is never launched.
template <int CLUSTER, class K>
__global__ void __launch_bounds__(kThreads, 1)
    products(const __grid_constant__ TileMap hidden, const __grid_constant__ TileMap weight, const Problem problem) {
#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  products_of_block<CLUSTER, K>(hidden, weight, problem);
#endif
}

__global__ void __launch_bounds__(kMergingWarps* kWarp) merge(dpo4j_lm_head_forward_params x, Problem problem) {
  int64_t row;
  Sums sums;
  if (!merge_tiles(problem, &row, &sums)) return;
  const int32_t target = x.targets[row];
  const bool is_read = target >= 0 && target < x.vocabulary;
  const float otherwise = target < 0 ? 0.0f : NAN;
  x.lse[row] = is_read ? sums.lse(problem) : otherwise;
  x.logprob[row] = is_read ? static_cast<float>(sums.logprob(problem, problem.at_target[row])) : otherwise;
}

template <class K>
int launch_products(const LaunchContext& context, int cluster, const dpo4j_lm_head_forward_params& x, const Problem& problem) {
  return lm_head_forward::launch_products(context, cluster, cluster == 2 ? products<2, K> : products<1, K>, x, problem);
}

}  // namespace

size_t lm_head_forward_workspace_bytes(int64_t rows, int64_t vocabulary) { return lm_head_forward::workspace_bytes(rows, vocabulary); }

int run(const LaunchContext& context, const dpo4j_lm_head_forward_params& x) {
  const int cluster = cluster_of(context, x.rows);
  const Problem problem = problem_of(x, cluster);
  int error = for_kind<false>(x, [&](auto kind) { return launch_products<decltype(kind)>(context, cluster, x, problem); });
  if (error == cudaSuccess) error = launch(context, merge, dim3(divide_up(x.rows, kWarp)), dim3(kMergingWarps * kWarp), 0, x, problem);
  return error == cudaSuccess ? launch_statistics(context, x, problem) : error;
}

}  // namespace dpo4j::cuda
