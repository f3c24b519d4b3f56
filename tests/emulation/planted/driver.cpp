// Runs the token log-prob kernels on device memory of exactly the right size and compares with the formulas in double precision. Exits 0 if
// every output is right, 1 if one is not, 2 if a call was refused.
#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <vector>

#include "cuda.h"
#include "device_memory.h"

namespace {

constexpr int kRows = 5, kVocabulary = 600, kMaskedRow = 2;

// fp32 sums of a few hundred positive terms and an exponential of arguments below 32: the error is at most about 1e-5.
constexpr double kTolerance = 1e-4;

// Device memory that is not initialised.
float* output(size_t count) {
  void* address;
  if (cudaMalloc(&address, count * sizeof(float)) != cudaSuccess) exit(2);
  return static_cast<float*>(address);
}

bool near(const char* what, int row, double actual, double expected) {
  if (std::fabs(actual - expected) <= kTolerance) return true;  // false for NaN
  printf("%s, row %d: %g, expected %g\n", what, row, actual, expected);
  return false;
}

}  // namespace

int main() {
  std::vector<float> logits(kRows * kVocabulary), d_logprob(kRows);
  std::vector<int32_t> targets(kRows);
  for (size_t i = 0; i < logits.size(); i++) logits[i] = static_cast<float>(8 * std::sin(0.7 * static_cast<double>(i * i % 1009)));
  for (int row = 0; row < kRows; row++) {
    targets[row] = row == kMaskedRow ? -1 : (row * 271 + 13) % kVocabulary;
    d_logprob[row] = 0.5f * static_cast<float>(row + 1);
  }

  dpo4j::cuda::LaunchContext context;
  if (dpo4j::cuda::make_launch_context(&context, 0, nullptr) != cudaSuccess) return 2;
  dpo4j_token_logprob_forward_params forward{};
  forward.logprob = output(kRows);
  forward.lse = output(kRows);
  forward.logits = device(logits);
  forward.targets = device(targets);
  forward.rows = kRows;
  forward.vocabulary = forward.logits_stride = kVocabulary;
  forward.transform.scale = 1;
  forward.dtype = DPO4J_F32;
  if (dpo4j::cuda::run(context, forward) != cudaSuccess) return 2;

  bool right = true;
  std::vector<float> lse(kRows);
  for (int row = 0; row < kRows; row++) {
    double sum = 0;
    for (int j = 0; j < kVocabulary; j++) sum += std::exp(static_cast<double>(logits[row * kVocabulary + j]));
    const bool masked = targets[row] < 0;
    lse[row] = masked ? 0.0f : static_cast<float>(std::log(sum));
    right &= near("lse", row, forward.lse[row], lse[row]);
    right &= near("logprob", row, forward.logprob[row], masked ? 0 : logits[row * kVocabulary + targets[row]] - std::log(sum));
  }

  dpo4j_token_logprob_backward_params backward{};
  float* d_logits = output(logits.size());
  backward.d_logits = d_logits;
  backward.logits = forward.logits;
  backward.targets = forward.targets;
  backward.lse = device(lse);
  backward.d_logprob = device(d_logprob);
  backward.rows = kRows;
  backward.vocabulary = backward.d_logits_stride = backward.logits_stride = kVocabulary;
  backward.transform.scale = 1;
  backward.d_logits_dtype = backward.dtype = DPO4J_F32;
  if (dpo4j::cuda::run(context, backward) != cudaSuccess) return 2;
  for (int row = 0; row < kRows; row++) {
    for (int j = 0; j < kVocabulary; j++) {
      const double probability = std::exp(static_cast<double>(logits[row * kVocabulary + j]) - lse[row]);
      const double expected = targets[row] < 0 ? 0 : d_logprob[row] * ((j == targets[row] ? 1.0 : 0.0) - probability);
      right &= near("d_logits", row, d_logits[row * kVocabulary + j], expected);
    }
  }
  for (const void* address : {static_cast<const void*>(forward.logprob), static_cast<const void*>(forward.lse), forward.logits,
                              static_cast<const void*>(forward.targets), static_cast<const void*>(d_logits),
                              static_cast<const void*>(backward.lse), static_cast<const void*>(backward.d_logprob)}) {
    cudaFree(const_cast<void*>(address));
  }
  return right ? 0 : 1;
}
