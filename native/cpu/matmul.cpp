// c = op(a) op(b) (+ c) by the sgemm of oneDNN, which is found at run time.
//
// oneDNN would split rows, columns and depth by the number of its threads, and takes other kernels for a few rows than for many. Here every
// tile of c is one single-threaded sgemm (a chain of them where k is long), tiles are cut by n, k and m alone, and no sgemm sees fewer than
// kFewestRows rows: fewer are padded. From there on the bits of a row do not depend on how many rows come with it.
#include <dlfcn.h>
#include <string.h>

#include <atomic>

#include "../text.h"
#include "cpu.h"

namespace dpo4j::cpu {
namespace {

// Row-major, as the C header of oneDNN declares it; dnnl_status_t and dnnl_dim_t are int and int64_t.
using Sgemm = int (*)(char transpose_a, char transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t a_stride,
                      const float* b, int64_t b_stride, float beta, float* c, int64_t c_stride);
using SetThreads = void (*)(int);

std::atomic<Sgemm> sgemm{nullptr};
std::atomic<SetThreads> set_threads{nullptr};  // of the calling thread alone

constexpr int64_t kMostRows = 256, kMostColumns = 256;  // of a tile
constexpr int64_t kMostDepth = 8192;                    // of one sgemm
constexpr int64_t kFewestRows = 16;                     // below, oneDNN 3.11 has kernels with another order of sums

struct Padded {
  float a[kFewestRows * kMostDepth];
  float c[kFewestRows * kMostColumns];
};
static_assert(sizeof(Padded) <= kScratchBytes, "padded rows fit a thread's scratch");

// Equal cuts: [cut(i), cut(i + 1)) of `cuts`.
int64_t cuts_of(int64_t size, int64_t largest) { return (size + largest - 1) / largest; }
int64_t cut(int64_t size, int64_t cuts, int64_t i) { return size * i / cuts; }

// A tile of c, and the rows of op(a) and columns of op(b) that make it.
struct Tile {
  const Matmul& p;
  const float *a, *b;
  float* c;
  int64_t m, n;

  const float* a_from(int64_t depth) const { return a + (p.transpose_a ? depth * p.a_stride : depth); }
  const float* b_from(int64_t depth) const { return b + (p.transpose_b ? depth : depth * p.b_stride); }

  void multiply(const float* a_part, int64_t a_stride, int64_t depth, int64_t rows, float* out, int64_t out_stride) const {
    const int64_t steps = p.k - depth < kMostDepth ? p.k - depth : kMostDepth;
    const float beta = depth > 0 || p.accumulate ? 1 : 0;
    sgemm.load(std::memory_order_relaxed)(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', rows, n, steps, 1, a_part, a_stride,
                                          b_from(depth), p.b_stride, beta, out, out_stride);
  }

  void run() const {
    for (int64_t depth = 0; depth < p.k; depth += kMostDepth) multiply(a_from(depth), p.a_stride, depth, m, c, p.c_stride);
  }

  void run_padded(Padded& padded) const {
    for (int64_t i = 0; i < m; i++) memcpy(padded.c + i * n, c + i * p.c_stride, n * sizeof(float));
    memset(padded.c + m * n, 0, (kFewestRows - m) * n * sizeof(float));
    for (int64_t depth = 0; depth < p.k; depth += kMostDepth) {
      multiply(padded.a, pad(padded.a, depth), depth, kFewestRows, padded.c, n);
    }
    for (int64_t i = 0; i < m; i++) memcpy(c + i * p.c_stride, padded.c + i * n, n * sizeof(float));
  }

  // Copies the steps from `depth` on of a's rows, with rows of zeros below. Returns the row stride of the copy.
  int64_t pad(float* out, int64_t depth) const {
    const int64_t steps = p.k - depth < kMostDepth ? p.k - depth : kMostDepth;
    const int64_t rows = p.transpose_a ? steps : m, columns = p.transpose_a ? m : steps;
    const int64_t stride = p.transpose_a ? kFewestRows : steps;
    memset(out, 0, kFewestRows * steps * sizeof(float));
    for (int64_t i = 0; i < rows; i++) memcpy(out + i * stride, a_from(depth) + i * p.a_stride, columns * sizeof(float));
    return stride;
  }
};

void fill_zero(const Matmul& p) {
  for (int64_t row = 0; row < p.m; row++) memset(p.c + row * p.c_stride, 0, p.n * sizeof(float));
}

}  // namespace

bool has_matmul_library() { return sgemm.load(std::memory_order_acquire) != nullptr; }

int load_matmul_library(const char* path, char* text, size_t text_bytes) {
  if (has_matmul_library()) return 0;
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    copy_text(text, text_bytes, dlerror());
    return -1;
  }
  const auto multiply = reinterpret_cast<Sgemm>(dlsym(library, "dnnl_sgemm"));
  const auto threads = reinterpret_cast<SetThreads>(dlsym(library, "omp_set_num_threads"));
  if (multiply == nullptr || threads == nullptr) {
    copy_text(text, text_bytes, "the library lacks dnnl_sgemm or omp_set_num_threads: a oneDNN built with OpenMP is needed");
    dlclose(library);
    return -1;
  }
  set_threads.store(threads, std::memory_order_relaxed);
  sgemm.store(multiply, std::memory_order_release);
  return 0;
}

void run(Cpu& cpu, const Matmul& p) {
  if (p.k == 0 && !p.accumulate) return fill_zero(p);
  const int64_t row_tiles = cuts_of(p.m, kMostRows), column_tiles = cuts_of(p.n, kMostColumns);
  parallel(cpu.threads, row_tiles * column_tiles, [&](int64_t task, void* scratch) {
    const int64_t row_tile = task / column_tiles, column_tile = task % column_tiles;
    const int64_t row = cut(p.m, row_tiles, row_tile), rows = cut(p.m, row_tiles, row_tile + 1) - row;
    const int64_t column = cut(p.n, column_tiles, column_tile), columns = cut(p.n, column_tiles, column_tile + 1) - column;
    const float* a = p.a + (p.transpose_a ? row : row * p.a_stride);
    const float* b = p.b + (p.transpose_b ? column * p.b_stride : column);
    const Tile tile = {p, a, b, p.c + row * p.c_stride + column, rows, columns};
    set_threads.load(std::memory_order_relaxed)(1);
    if (rows < kFewestRows) {
      tile.run_padded(*static_cast<Padded*>(scratch));
    } else {
      tile.run();
    }
  });
}

}  // namespace dpo4j::cpu
