// Runs lm_head_forward on device memory of exactly the right size and compares with the formulas in double precision: single blocks and
// clusters of two, partial tiles, more tiles than blocks, with and without a transform. Exits 0 if every output is right, 1 if one is not,
// 2 if a call was refused. `lm_head_test a100` checks that the kernel is not chosen for an A100. The kernel's source is included, so that
// planted_bugs.sh can compile a copy with a bug.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "device_memory.h"
#include "lm_head_forward_sm90a.cu"

namespace {

// Covers the rounding of fp32 accumulators of logits below 20 and of sums of some hundred terms.
constexpr double kTolerance = 1e-4;

bool near(const char* what, int row, double actual, double expected) {
  if (std::fabs(actual - expected) <= kTolerance) return true;  // false for NaN
  printf("%s, row %d: %g, expected %g\n", what, row, actual, expected);
  return false;
}

struct Shape {
  int rows, vocabulary, width;
};

bool check(const dpo4j::cuda::LaunchContext& context, const Shape& shape, float cap) {
  const auto [rows, vocabulary, width] = shape;
  const int stride = (width + 7) / 8 * 8;
  std::vector<__nv_bfloat16> hidden(rows * stride, {0xFFFF}), weight(vocabulary * stride, {0xFFFF});
  std::vector<int32_t> targets(rows);
  for (int row = 0; row < rows; row++) {
    targets[row] = row % 5 == 2 ? -1 : (row * 271 + 13) % vocabulary;
    for (int k = 0; k < width; k++) hidden[row * stride + k] = __float2bfloat16_rn(static_cast<float>(std::sin(row * 3 + k * 5 + 1)));
  }
  for (int j = 0; j < vocabulary; j++) {
    for (int k = 0; k < width; k++) weight[j * stride + k] = __float2bfloat16_rn(static_cast<float>(std::sin(j * 7 + k * (1 + j % 3))));
  }
  const size_t bytes = dpo4j::cuda::lm_head_forward_workspace_bytes(rows, vocabulary);
  dpo4j_lm_head_forward_params x{};
  x.logprob = device(std::vector<float>(rows, NAN));
  x.lse = device(std::vector<float>(rows, NAN));
  x.workspace = device(std::vector<unsigned char>(bytes, 0xFF));
  x.hidden = device(hidden);
  x.weight = device(weight);
  x.targets = device(targets);
  x.rows = rows;
  x.vocabulary = vocabulary;
  x.hidden_width = width;
  x.hidden_stride = x.weight_stride = stride;
  x.transform.scale = 0.5f;
  x.transform.cap = cap;
  if (dpo4j::cuda::run(context, x) != cudaSuccess) exit(2);

  bool right = true;
  for (int row = 0; row < rows && right; row++) {
    double sum = 0, at_target = 0;
    for (int j = 0; j < vocabulary; j++) {
      double z = 0;
      for (int k = 0; k < width; k++)
        z += static_cast<double>(__bfloat162float(hidden[row * stride + k])) * __bfloat162float(weight[j * stride + k]);
      z = cap == 0 ? z / 2 : cap * std::tanh(z / 2 / cap);
      sum += std::exp(z);
      if (j == targets[row]) at_target = z;
    }
    const bool masked = targets[row] < 0;
    right &= near("lse", row, x.lse[row], masked ? 0 : std::log(sum));
    right &= near("logprob", row, x.logprob[row], masked ? 0 : at_target - std::log(sum));
  }
  for (const void* address : {static_cast<const void*>(x.logprob), static_cast<const void*>(x.lse), static_cast<const void*>(x.workspace),
                              x.hidden, x.weight, static_cast<const void*>(x.targets)}) {
    cudaFree(const_cast<void*>(address));
  }
  return right;
}

}  // namespace

int main(int argc, char** argv) {
  dpo4j::cuda::LaunchContext context;
  if (dpo4j::cuda::make_launch_context(&context, 0, nullptr) != cudaSuccess) return 2;
  if (argc > 1 && strcmp(argv[1], "a100") == 0) return dpo4j::cuda::has_kernel(context, dpo4j::kLmHeadForwardSm90a) ? 1 : 0;
  if (!dpo4j::cuda::has_kernel(context, dpo4j::kLmHeadForwardSm90a)) return 2;
  dpo4j::cuda::LaunchContext without = context;
  without.without = dpo4j::kLmHeadForwardSm90a;
  if (dpo4j::cuda::has_kernel(without, dpo4j::kLmHeadForwardSm90a)) return 2;
  bool right = true;
  for (const Shape& shape : {Shape{3, 300, 40}, Shape{70, 1300, 330}, Shape{150, 700, 264}, Shape{260, 520, 256}}) {
    right &= check(context, shape, 0);
  }
  right &= check(context, {5, 300, 40}, 2);
  right &= check(context, {140, 300, 40}, 2);
  return right ? 0 : 1;
}
