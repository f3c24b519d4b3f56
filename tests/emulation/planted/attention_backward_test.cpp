// Runs attention's backward kernels for Hopper on device memory of exactly the right size and compares with the formulas in double
// precision. Covers prompts of one and several tiles of keys, with and without completions; partial tiles followed by rows that belong to
// no segment and hold NaN; and one key head, several, and more than the kernel processes together. Exits 0 if every gradient is right, 1 if
// one is not, 2 if a call was refused. `attention_backward_test a100` checks that the kernel is not chosen for an A100. With the name of a
// broken family it runs that family, which the kernel must stop with __trap. The kernel's source is included, so that planted_bugs.sh can
// compile a copy with a bug.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "attention_backward_sm90a.cu"
#include "device_memory.h"

namespace {

using bf16 = __nv_bfloat16;

// Probabilities and gradients of scores are rounded to bf16 before they are multiplied, and gradients when they are stored: 2^-9 each. The
// rest of the tolerance covers exp and the rounding of out and lse.
constexpr double kTolerance = 0x1p-6;

constexpr int kGap = 3;

// Lengths of a prompt and of the completions that share it.
struct Family {
  int prompt;
  std::vector<int> completions;
};

struct Layout {
  int heads, kv_heads;
  std::vector<Family> families;

  std::vector<dpo4j_segment> segments() const {
    std::vector<dpo4j_segment> all;
    int row = 0;
    for (const Family& family : families) {
      const int prompt = row;
      all.push_back({row, family.prompt, row, 0, 0, 0, static_cast<int>(family.completions.size()), 0});
      row += family.prompt + kGap;
      for (const int length : family.completions) {
        all.push_back({row, length, row, 0, prompt, family.prompt, 0, 0});
        row += length + kGap;
      }
    }
    return all;
  }
};

const Layout kPair{2, 1, {{140, {130, 20}}}};
// Prompts of four tiles of keys and of one, so many blocks add to the same d_q.
const Layout kFamilies{3, 3, {{390, {135, 20}}, {70, {131}}}};

// So many tiles that the kernel processes four of the eight heads together: three would be enough, but 8 is not a multiple of 3.
Layout many_segments() {
  Layout layout{8, 8, {{140, {3}}}};
  layout.families.resize(1 + 33, {1, {}});
  return layout;
}

class Check {
 public:
  Check(const Layout& layout, int width) : layout_(layout), width_(width), segments_(layout.segments()) {
    rows_ = segments_.back().query_begin + segments_.back().query_count;
    const int heads = layout.heads, kv_heads = layout.kv_heads;
    q_ = numbers(heads, 1), k_ = numbers(kv_heads, 2), v_ = numbers(kv_heads, 3), d_out_ = numbers(heads, 4);
    out_.assign(q_.size(), bf16{0xFFFF});
    lse_.assign(rows_ * heads, NAN);
    for (Sums* sums : {&d_q_, &d_k_, &d_v_}) sums->resize(sums == &d_q_ ? q_.size() : k_.size());
    for (const dpo4j_segment& segment : segments_) {
      for (int i = 0; i < segment.query_count; i++) {
        for (int head = 0; head < heads; head++) add(segment, i, head);
      }
    }
  }

  bool run(const dpo4j::cuda::LaunchContext& context, void (*broken)(std::vector<dpo4j_segment>&) = nullptr) {
    dpo4j_attention_backward_params x{};
    const int heads = layout_.heads, kv_heads = layout_.kv_heads;
    const size_t bytes = dpo4j::cuda::attention::backward_sm90a_workspace_bytes(rows_, heads, width_);
    const std::vector<bf16> none(q_.size(), bf16{0xFFFF}), none_of_keys(k_.size(), bf16{0xFFFF});
    x.d_q = device(none), x.d_k = device(none_of_keys), x.d_v = device(none_of_keys);
    x.workspace = device(std::vector<unsigned char>(bytes, 0xFF));
    x.d_out = device(d_out_), x.q = device(q_), x.k = device(k_), x.v = device(v_), x.out = device(out_), x.lse = device(lse_);
    x.segment_count = static_cast<int64_t>(segments_.size());
    if (broken != nullptr) broken(segments_);
    x.segments = device(segments_);
    for (const dpo4j_segment& segment : segments_) x.max_queries = std::max<int64_t>(x.max_queries, segment.query_count);
    x.query_rows = rows_;
    x.shape.heads = heads, x.shape.kv_heads = kv_heads, x.shape.head_width = width_;
    x.shape.q_stride = x.shape.out_stride = heads * width_, x.shape.kv_stride = kv_heads * width_;
    x.shape.scale = scale();
    x.shape.dtype = DPO4J_BF16;
    if (dpo4j::cuda::attention::backward_sm90a(context, x) != cudaSuccess) exit(2);
    const bool right = near("d_q", x.d_q, d_q_) & near("d_k", x.d_k, d_k_) & near("d_v", x.d_v, d_v_);
    for (const void* address : {static_cast<const void*>(x.d_q), static_cast<const void*>(x.d_k), static_cast<const void*>(x.d_v),
                                static_cast<const void*>(x.workspace), x.d_out, x.q, x.k, x.v, x.out, static_cast<const void*>(x.lse),
                                static_cast<const void*>(x.segments)}) {
      cudaFree(const_cast<void*>(address));
    }
    return right;
  }

 private:
  // A sum, and the sum of the magnitudes of its terms. Both are 0 for rows of no segment.
  struct Sum {
    double value = 0, magnitude = 0;
    void add(double x) { value += x, magnitude += std::fabs(x); }
  };
  using Sums = std::vector<Sum>;

  float scale() const { return 1 / std::sqrt(static_cast<float>(width_)); }

  std::vector<bf16> numbers(int heads, int which) const {
    std::vector<bf16> all(rows_ * heads * width_, bf16{0xFFFF});
    for (const dpo4j_segment& segment : segments_) {
      const int first = segment.query_begin * heads * width_, end = first + segment.query_count * heads * width_;
      for (int i = first; i < end; i++) all[i] = __float2bfloat16_rn(static_cast<float>(std::sin(i * (7 * which + 0.3) + which)));
    }
    return all;
  }

  double dot(const std::vector<bf16>& a, int at_a, const std::vector<bf16>& b, int at_b) const {
    double sum = 0;
    for (int d = 0; d < width_; d++) sum += static_cast<double>(__bfloat162float(a[at_a + d])) * __bfloat162float(b[at_b + d]);
    return sum;
  }

  // Adds the terms of query i of a segment to all gradients, and sets its out and lse.
  void add(const dpo4j_segment& segment, int i, int head) {
    const int row = (segment.query_begin + i) * layout_.heads + head, query = row * width_;
    const auto key_at = [&](int key) { return (key * layout_.kv_heads + head / (layout_.heads / layout_.kv_heads)) * width_; };
    std::vector<int> keys;
    for (int j = 0; j < segment.prefix_count; j++) keys.push_back(key_at(segment.prefix_begin + j));
    for (int j = 0; j <= i; j++) keys.push_back(key_at(segment.key_begin + j));
    std::vector<double> p;
    double sum = 0;
    for (const int key : keys) {
      p.push_back(std::exp(scale() * dot(q_, query, k_, key)));
      sum += p.back();
    }
    lse_[row] = static_cast<float>(std::log(sum));
    for (double& each : p) each /= sum;
    for (int d = 0; d < width_; d++) {
      double out = 0;
      for (size_t j = 0; j < keys.size(); j++) out += p[j] * __bfloat162float(v_[keys[j] + d]);
      out_[query + d] = __float2bfloat16_rn(static_cast<float>(out));
    }
    const double delta = dot(d_out_, query, out_, query);
    for (size_t j = 0; j < keys.size(); j++) {
      const double d_s = p[j] * (dot(d_out_, query, v_, keys[j]) - delta);
      for (int d = 0; d < width_; d++) {
        d_q_[query + d].add(scale() * d_s * __bfloat162float(k_[keys[j] + d]));
        d_k_[keys[j] + d].add(scale() * d_s * __bfloat162float(q_[query + d]));
        d_v_[keys[j] + d].add(p[j] * __bfloat162float(d_out_[query + d]));
      }
    }
  }

  static bool near(const char* what, const void* actual, const Sums& expected) {
    for (size_t i = 0; i < expected.size(); i++) {
      if (expected[i].magnitude == 0) continue;
      const double x = __bfloat162float(static_cast<const bf16*>(actual)[i]);
      if (std::fabs(x - expected[i].value) <= kTolerance * expected[i].magnitude) continue;  // false for NaN
      printf("%s[%zu]: %g, expected %g\n", what, i, x, expected[i].value);
      return false;
    }
    return true;
  }

  const Layout layout_;
  const int width_;
  int rows_ = 0;
  std::vector<dpo4j_segment> segments_;
  std::vector<bf16> q_, k_, v_, d_out_, out_;
  std::vector<float> lse_;
  Sums d_q_, d_k_, d_v_;
};

// Wrong segments for a prompt with two completions. Each would make a block wait forever for its turn in the ordered semaphore.
const struct BrokenFamily {
  const char* name;
  void (*plant)(std::vector<dpo4j_segment>&);
} kBrokenFamilies[] = {
    {"unlisted", [](std::vector<dpo4j_segment>& all) { all[0].dependents = 1; }},
    {"without_owner", [](std::vector<dpo4j_segment>& all) { all.erase(all.begin()); }},
    {"longer_prefix", [](std::vector<dpo4j_segment>& all) { all[1].prefix_count += 128; }},
    {"beyond_the_end", [](std::vector<dpo4j_segment>& all) { all[0].dependents = 3; }},
};

}  // namespace

int main(int argc, char** argv) {
  dpo4j::cuda::LaunchContext context;
  if (dpo4j::cuda::make_launch_context(&context, 0, nullptr) != cudaSuccess) return 2;
  const bool has = dpo4j::cuda::attention::has_backward_sm90a(context, 128);
  if (argc > 1 && strcmp(argv[1], "a100") == 0) return has ? 1 : 0;
  if (!has || dpo4j::cuda::attention::has_backward_sm90a(context, 96)) return 2;
  for (const BrokenFamily& family : kBrokenFamilies) {
    if (argc > 1 && strcmp(argv[1], family.name) == 0) return Check(kPair, 64).run(context, family.plant) ? 0 : 1;
  }
  const bool right = Check(kPair, 64).run(context) && Check(kPair, 128).run(context) && Check(kFamilies, 64).run(context) &&
                     Check(kFamilies, 128).run(context) && Check(many_segments(), 64).run(context);
  return right ? 0 : 1;
}
