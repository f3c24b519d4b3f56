// Runs attention's forward kernel for Hopper on device memory of exactly the right size and compares with the formulas in double precision.
// Covers partial tiles, a prefix that ends within a tile, one query after cached keys, NaN in keys and values that no query attends to, and
// a negative scale. Exits 0 if every output is right, 1 if one is not, 2 if a call was refused. `attention_test a100` checks that the
// kernel is not chosen for an A100. The kernel's source is included, so that planted_bugs.sh can compile a copy with a bug.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "attention_forward_sm90a.cu"
#include "device_memory.h"

namespace {

using dpo4j::cuda::LaunchContext;

struct Shape {
  int heads, kv_heads, width, query_rows, key_rows;
};

using Matrix = std::vector<__nv_bfloat16>;

Matrix matrix(int rows, int width, int stride, double seed) {
  Matrix matrix(static_cast<size_t>(rows) * stride, {0xFFFF});
  for (int row = 0; row < rows; row++) {
    for (int i = 0; i < width; i++) {
      matrix[row * stride + i] = __float2bfloat16_rn(static_cast<float>(std::sin(seed + row * 1.7 + i * (0.9 + row % 7))));
    }
  }
  return matrix;
}

// Probabilities are rounded to 8 bits before they multiply values of at most 1. All other rounding errors are far smaller.
constexpr double kTolerance = 0x1p-8, kToleranceOfLse = 1e-4;

bool near(const char* what, int query, int head, double actual, double expected, double tolerance) {
  if (std::fabs(actual - expected) <= tolerance) return true;  // false for NaN
  printf("%s, query %d, head %d: %g, expected %g\n", what, query, head, actual, expected);
  return false;
}

struct Problem {
  Shape shape;
  std::vector<dpo4j_segment> segments;
  Matrix q, k, v;
  float scale;
  int stride() const { return shape.kv_heads * shape.width + 8; }

  bool check(const dpo4j_segment& segment, int i, const __nv_bfloat16* out, const float* lse) const {
    const int own = segment.key_offset + i + 1, query = segment.query_begin + i;
    bool right = true;
    for (int head = 0; head < shape.heads; head++) {
      const int column = head / (shape.heads / shape.kv_heads) * shape.width;
      double sum = 0;
      std::vector<double> expected(shape.width);
      for (int key = 0; key < segment.prefix_count + own; key++) {
        const int row = key < segment.prefix_count ? segment.prefix_begin + key : segment.key_begin + key - segment.prefix_count;
        double score = 0;
        for (int d = 0; d < shape.width; d++) {
          score += static_cast<double>(__bfloat162float(q[(query * shape.heads + head) * shape.width + d])) *
                   __bfloat162float(k[row * stride() + column + d]);
        }
        const double weight = std::exp(score * scale);
        sum += weight;
        for (int d = 0; d < shape.width; d++) expected[d] += weight * __bfloat162float(v[row * stride() + column + d]);
      }
      right &= near("lse", query, head, lse[query * shape.heads + head], std::log(sum), kToleranceOfLse);
      for (int d = 0; d < shape.width && right; d++) {
        // Twice the tolerance, because the output is rounded too.
        right &= near("out", query, head, __bfloat162float(out[(query * shape.heads + head) * shape.width + d]), expected[d] / sum,
                      2 * kTolerance);
      }
    }
    return right;
  }

  bool check(const LaunchContext& context) const {
    dpo4j_attention_forward_params x{};
    const size_t outputs = static_cast<size_t>(shape.query_rows) * shape.heads;
    Matrix no_out(outputs * shape.width, {0xFFFF});
    auto* out = device(no_out);
    auto* lse = device(std::vector<float>(outputs, NAN));
    x.out = out;
    x.lse = lse;
    x.workspace = device(std::vector<uint32_t>(1, 1));  // not initialised
    x.q = device(q), x.k = device(k), x.v = device(v);
    x.segments = device(segments);
    x.segment_count = static_cast<int64_t>(segments.size());
    for (const dpo4j_segment& segment : segments) x.max_queries = std::max<int64_t>(x.max_queries, segment.query_count);
    x.key_rows = shape.key_rows;
    x.shape.heads = shape.heads, x.shape.kv_heads = shape.kv_heads, x.shape.head_width = shape.width;
    x.shape.out_stride = x.shape.q_stride = shape.heads * shape.width;
    x.shape.kv_stride = stride();
    x.shape.scale = scale;
    x.shape.dtype = DPO4J_BF16;
    if (dpo4j::cuda::attention::forward_sm90a(context, x) != cudaSuccess) exit(2);
    bool right = true;
    for (const dpo4j_segment& segment : segments) {
      for (int i = 0; i < segment.query_count; i++) right = right && check(segment, i, out, lse);
    }
    for (const void* address : {static_cast<const void*>(out), static_cast<const void*>(lse), static_cast<const void*>(x.workspace), x.q,
                                x.k, x.v, static_cast<const void*>(x.segments)}) {
      cudaFree(const_cast<void*>(address));
    }
    return right;
  }
};

Problem problem(const Shape& shape, const std::vector<dpo4j_segment>& segments, float scale = 0.25f) {
  Problem problem{shape, segments, {}, {}, {}, scale};
  problem.q = matrix(shape.query_rows, shape.heads * shape.width, shape.heads * shape.width, 1);
  problem.k = matrix(shape.key_rows, shape.kv_heads * shape.width, problem.stride(), 2);
  problem.v = matrix(shape.key_rows, shape.kv_heads * shape.width, problem.stride(), 3);
  // Memory ends with the last row, without padding.
  problem.k.resize(problem.k.size() - 8);
  problem.v.resize(problem.v.size() - 8);
  return problem;
}

}  // namespace

int main(int argc, char** argv) {
  LaunchContext context;
  if (dpo4j::cuda::make_launch_context(&context, 0, nullptr) != cudaSuccess) return 2;
  if (argc > 1 && strcmp(argv[1], "a100") == 0) return dpo4j::cuda::attention::has_forward_sm90a(context, 128) ? 1 : 0;
  if (!dpo4j::cuda::attention::has_forward_sm90a(context, 64) || dpo4j::cuda::attention::has_forward_sm90a(context, 72)) return 2;
  bool right = true;
  // 410 keys are four tiles. A query has 3 rows (heads), so the rows of one query can be in two blocks.
  right &= problem({3, 1, 128, 410, 410}, {{0, 410, 0, 0, 0, 0, 0, 0}}).check(context);
  // Prompts of 150 and 128 with completions; the second half of a block may have nothing to do.
  right &= problem({2, 2, 64, 403, 403}, {{0, 150, 0, 0, 0, 0, 2, 0},
                                          {150, 70, 150, 0, 0, 150, 0, 0},
                                          {220, 41, 220, 0, 0, 150, 0, 0},
                                          {261, 128, 261, 0, 0, 0, 1, 0},
                                          {389, 14, 389, 0, 261, 128, 0, 0}})
               .check(context);
  // One query attends to 20 keys of a prefix and 1099 of its own segment; half of the block has no query. Later keys and values are NaN and
  // must not be read.
  Problem cached = problem({4, 2, 128, 1, 1150}, {{0, 1, 20, 1098, 0, 20, 0, 0}});
  for (size_t i = static_cast<size_t>(1119) * cached.stride(); i < cached.k.size(); i++) cached.k[i] = cached.v[i] = {0x7FC0};
  right &= cached.check(context);
  // A negative scale: the max product has the min probability.
  right &= problem({1, 1, 64, 140, 140}, {{0, 140, 0, 0, 0, 0, 0, 0}}, -0.25f).check(context);
  // More segments than a warp reads at once, of which every third has no query; and more key heads than the scheduler takes at once.
  std::vector<dpo4j_segment> many;
  for (int i = 0, row = 0; i < 40; i++) {
    const int count = i % 3 == 1 ? 0 : 1 + i % 4;
    many.push_back({row, count, row, 0, 0, 0, 0, 0});
    row += count;
  }
  many.push_back({80, 140, 80, 0, 0, 0, 0, 0});
  right &= problem({1, 1, 64, 220, 220}, many).check(context);
  right &= problem({9, 9, 64, 130, 130}, {{0, 130, 0, 0, 0, 0, 0, 0}}).check(context);
  return right ? 0 : 1;
}
