// token_logprob: log softmax of a row of logits at its target, and the gradient over the row.
//
//   forward    lse = m + log(sum over j of exp(x_j - m)), logprob = (x_target - m) - log(sum ...), with m the largest x so far: one read
//   backward   d_x_j = d_logprob ((j == target) - exp(x_j - lse)), in place if wanted: one read, one write
//
// Never materialised: probabilities, and log-probs of other tokens. Masked rows (target < 0) are not read. A target beyond the vocabulary
// makes logprob and lse NaN, and with them the gradient. Columns of -inf add nothing; m - m is never taken of infinities.
//
// The running maximum moves once a vector of 16, so a pass takes 17 exponentials for 16 elements. x - m is formed before it is scaled to
// base 2: the difference is exact where it matters, and no error grows with the size of the logits.
//
// Bytes moved, b the size of an element: forward b rows vocabulary; backward (b + b_gradient) rows vocabulary. Share of the roofline: not
// yet measured on a GPU.
#include "reduce.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda {
namespace {

constexpr float kLog2E = 1.44269504088896340736f;

__device__ __forceinline__ float exponential(float x) { return exp2f(x * kLog2E); }

// What a set of logits adds to the softmax: their maximum, and the sum of exp(x - maximum). Of no logits, or only of -inf: {-inf, 0}.
struct Partial {
  float maximum, sum;
};

// What exponents are taken against: any finite number will do where all is -inf.
__device__ __forceinline__ float finite_reference(float maximum) { return maximum == -INFINITY ? 0.0f : maximum; }

// Symmetric to the bit, so that both sides of a shuffle hold the same.
__device__ __forceinline__ Partial merge(Partial a, Partial b) {
  const float maximum = fmaxf(a.maximum, b.maximum), reference = finite_reference(maximum);
  const float of_a = a.sum * exponential(a.maximum - reference), of_b = b.sum * exponential(b.maximum - reference);
  return {maximum, of_a + of_b};
}

template <int N>
__device__ __forceinline__ void add(Partial& partial, const Values<N>& x) {
  float maximum = partial.maximum;
#pragma unroll
  for (int k = 0; k < N; k++) maximum = fmaxf(maximum, x[k]);
  const float reference = finite_reference(maximum);
  float sum = 0;
#pragma unroll
  for (int k = 0; k < N; k++) sum += exponential(x[k] - reference);
  partial.sum = partial.sum * exponential(partial.maximum - reference) + sum;
  partial.maximum = maximum;
}

__device__ __forceinline__ Partial warp_merge(Partial partial) {
#pragma unroll
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const Partial other{__shfl_xor_sync(kAllLanes, partial.maximum, distance), __shfl_xor_sync(kAllLanes, partial.sum, distance)};
    partial = merge(partial, other);
  }
  return partial;
}

// The first warp receives the whole.
template <int THREADS>
__device__ __forceinline__ Partial block_merge(Partial partial) {
  partial = warp_merge(partial);
  DPO4J_SHARED(Partial, of_warp, [THREADS / kWarp]);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  if (lane == 0) of_warp[warp] = partial;
  __syncthreads();
  if (warp == 0) partial = warp_merge(lane < THREADS / kWarp ? of_warp[lane] : Partial{-INFINITY, 0.0f});
  return partial;
}

// A block reads a row.
template <class T, int THREADS>
__global__ void __launch_bounds__(THREADS) forward(float* logprob, float* lse, const T* logits, const int32_t* targets,
                                                   const int32_t* row_index, int64_t vocabulary, int64_t stride) {
  const int64_t row = blockIdx.x;
  const int32_t target = targets[row];
  if (target < 0 || target >= vocabulary) {
    if (threadIdx.x == 0) logprob[row] = lse[row] = target < 0 ? 0.0f : NAN;
    return;
  }
  const int64_t logits_row = row_index ? row_index[row] : row;
  const T* x = logits + logits_row * stride;
  Partial partial{-INFINITY, 0.0f};
  for_columns<16>(vocabulary, whole_vectors(vocabulary, 16), threadIdx.x, THREADS, [&](auto n, int64_t column) {
    constexpr int N = decltype(n)::value;
    add(partial, load<N, Access::kOnce>(x + column));
  });
  partial = block_merge<THREADS>(partial);
  if (threadIdx.x == 0) {
    const float log_sum = logf(partial.sum);
    logprob[row] = (load_one(x + target) - partial.maximum) - log_sum;
    lse[row] = partial.maximum + log_sum;
  }
}

// The target's own 1 - exp(x - lse), which expm1 keeps exact when nearly all probability is there.
template <int N>
__device__ __forceinline__ void add_target(Values<N>& d, const Values<N>& x, int at, float lse, float scale) {
  float x_target = 0;
#pragma unroll
  for (int k = 0; k < N; k++) x_target = k == at ? x[k] : x_target;
  const float d_target = -scale * expm1f(x_target - lse);
#pragma unroll
  for (int k = 0; k < N; k++) d[k] = k == at ? d_target : d[k];
}

constexpr int kBackwardThreads = 256, kVectorsPerThread = 4;

// A block writes some columns of a row. Nothing but its own elements is read from the row, so it may be the row that is written.
template <class Out, class T>
__global__ void __launch_bounds__(kBackwardThreads)
    backward(Out* d_logits, const T* logits, const int32_t* targets, const int32_t* row_index, const float* lse, const float* d_logprob,
             int64_t vocabulary, int64_t d_stride, int64_t stride) {
  const int64_t row = blockIdx.x;
  const int32_t target = targets[row];
  const int64_t logits_row = row_index ? row_index[row] : row;
  const T* x = logits + logits_row * stride;
  Out* to = d_logits + logits_row * d_stride;
  const float log_sum = lse[row], scale = d_logprob ? d_logprob[row] : 1.0f;
  const int64_t thread = static_cast<int64_t>(blockIdx.y) * kBackwardThreads + threadIdx.x;
  for_columns(vocabulary, whole_vectors(vocabulary), thread, static_cast<int64_t>(gridDim.y) * kBackwardThreads,
              [&](auto n, int64_t column) {
                constexpr int N = decltype(n)::value;
                Values<N> d{};
                if (target >= 0) {
                  const Values<N> v = load<N, Access::kOnce>(x + column);
#pragma unroll
                  for (int k = 0; k < N; k++) d[k] = -scale * exponential(v[k] - log_sum);
                  if (target >= column && target < column + N) add_target<N>(d, v, static_cast<int>(target - column), log_sum, scale);
                }
                store<N, Access::kOnce>(to + column, d);
              });
}

// Threads a row, by its length alone: a row must not feel how many others there are.
constexpr int kShort = 64, kLong = 512;
constexpr int64_t kShortVocabulary = 4096;

template <class T>
int forward_of(const Queue& queue, const TokenLogprobForward& x) {
  const bool is_short = x.vocabulary <= kShortVocabulary;
  return launch(queue, is_short ? forward<T, kShort> : forward<T, kLong>, dim3(x.rows), dim3(is_short ? kShort : kLong), 0, x.logprob,
                x.lse, static_cast<const T*>(x.logits), x.targets, x.row_index, x.vocabulary, x.logits_stride);
}

template <class Out, class T>
int backward_of(const Queue& queue, const TokenLogprobBackward& x) {
  const int64_t blocks = divide_up(x.vocabulary, kBackwardThreads * kVector * kVectorsPerThread);
  return launch(queue, backward<Out, T>, dim3(x.rows, blocks < 65535 ? blocks : 65535), dim3(kBackwardThreads), 0,
                static_cast<Out*>(x.d_logits), static_cast<const T*>(x.logits), x.targets, x.row_index, x.lse, x.d_logprob, x.vocabulary,
                x.d_logits_stride, x.logits_stride);
}

}  // namespace

int run(const Queue& queue, const TokenLogprobForward& x) {
  return x.dtype == DPO4J_BF16 ? forward_of<__nv_bfloat16>(queue, x) : forward_of<float>(queue, x);
}

int run(const Queue& queue, const TokenLogprobBackward& x) {
  const bool to_bf16 = x.d_logits_dtype == DPO4J_BF16;
  if (x.dtype == DPO4J_BF16)
    return to_bf16 ? backward_of<__nv_bfloat16, __nv_bfloat16>(queue, x) : backward_of<float, __nv_bfloat16>(queue, x);
  return to_bf16 ? backward_of<__nv_bfloat16, float>(queue, x) : backward_of<float, float>(queue, x);
}

int run(const Queue& queue, const TokenLogprobForwardBackward& x) {
  const int error = run(queue, TokenLogprobForward{x.logprob, x.lse, x.statistics, x.logits, x.targets, x.row_index, x.rows, x.vocabulary,
                                                   x.logits_stride, x.dtype});
  if (error != 0) return error;
  return run(queue, TokenLogprobBackward{x.d_logits, x.logits, x.targets, x.row_index, x.lse, x.d_logprob, x.rows, x.vocabulary,
                                         x.d_logits_stride, x.logits_stride, x.d_logits_dtype, x.dtype});
}

}  // namespace dpo4j::cuda
