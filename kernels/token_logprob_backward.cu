// token_logprob, backward: d_x_j = d_logprob ((j == target) - exp(z_j - lse)) dz_j/dx_j, also in place. z is the logit x after its
// transform, and lse is the result of forward.
//
// Never materialised: probabilities, transformed logits. Masked rows are written and not read.
//
// Bytes moved, b and b_d the sizes of an element of logits and gradient: (b + b_d) rows vocabulary. A thread reads 16 bytes at a time and
// writes 16 bytes, or 8 if logits are fp32 and the gradient has 16 bits. Share of the roofline: not yet measured on a GPU.
#include <algorithm>

#include "token_logprob_gradient.cuh"

namespace dpo4j::cuda {
namespace {

using namespace token_logprob;

constexpr int32_t kMaxThreads = 256, kTilesPerThread = 2;

// Resident blocks per SM: the max that registers allow without a spill. On sm_100 fp32 logits need a few registers more than four blocks leave.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ == 1000
constexpr int kBlocksOfFp32 = 3;
#else
constexpr int kBlocksOfFp32 = 4;
#endif
template <class T, class L>
constexpr int kBlocks = L::kTransforms               ? 2
                        : sizeof(T) == sizeof(float) ? kBlocksOfFp32
                                                     : 4;

// A load that the compiler does not move. It would load a number only behind the branch that needs it, and that branch waits for the target.
__device__ __forceinline__ float load_here(const float* address) {
#ifdef __CUDACC__
  float x;
  asm volatile("ld.global.nc.f32 %0, [%1];" : "=f"(x) : "l"(address));
  return x;
#else
  return *address;
#endif
}

// A block writes some columns of a row. It reads only its own elements of the row, so it may run in place. It has as few warps as are needed for
// one tile of the row per thread, and at most kMaxThreads threads.
template <class Out, class T, class L>
__global__ void __launch_bounds__(kMaxThreads, kBlocks<T, L>) backward(dpo4j_token_logprob_backward_params x, int64_t columns) {
  const int64_t row = blockIdx.x, begin = blockIdx.y * columns;
  const Slice<T> slice(begin, begin + columns < x.vocabulary ? begin + columns : x.vocabulary);
  const int32_t target = x.targets[row], threads = static_cast<int32_t>(blockDim.x);
  const float lse = load_here(x.lse + row), d_logprob = load_here(x.d_logprob + row);
  const int64_t logits_index = logits_row(x, row);
  Out* d_logits = static_cast<Out*>(x.d_logits) + logits_index * x.d_logits_stride;
  float value;
  if (is_not_read(target, x.vocabulary, value)) {
    store_all(d_logits, slice, threads, value);
    return;
  }
  const T* logits = static_cast<const T*>(x.logits) + logits_index * x.logits_stride;
  store_gradient(d_logits, RowInMemory<T>{logits}, L(x), slice, threads, target, lse, d_logprob);
}

template <class Out, class T>
int launch_backward(const LaunchContext& context, const dpo4j_token_logprob_backward_params& x) {
  constexpr int64_t kMaxBlocks = 65535;
  const int64_t threads = std::min<int64_t>(kMaxThreads, divide_up(x.vocabulary, kWarp * kTile) * kWarp);
  const int64_t wanted = divide_up(x.vocabulary, threads * kTile * kTilesPerThread), blocks = wanted < kMaxBlocks ? wanted : kMaxBlocks;
  const int64_t columns = divide_up(x.vocabulary, blocks * kTile) * kTile;
  return with_transform(x.transform, [&](auto transform) {
    return launch(context, backward<Out, T, typename decltype(transform)::Type>, dim3(x.rows, divide_up(x.vocabulary, columns)),
                  dim3(threads), 0, x, columns);
  });
}

}  // namespace

int run(const LaunchContext& context, const dpo4j_token_logprob_backward_params& x) {
  return with_stored(x.d_logits_dtype, [&](auto out) {
    return with_stored(
        x.dtype, [&](auto stored) { return launch_backward<typename decltype(out)::Type, typename decltype(stored)::Type>(context, x); });
  });
}

}  // namespace dpo4j::cuda
