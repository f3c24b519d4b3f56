// c = op(a) op(b) (+ c or bias) by the sgemm of oneDNN, which is loaded at run time. A bias is written to a tile of c just before sgemm adds
// the product to it, so the tile is still in the cache.
//
// The bits of a row of oneDNN's result depend on the size of the product: oneDNN partitions a product by its number of threads and chooses
// kernels by the number of rows, and these kernels do not all add in the same order. So every tile of c is computed by a single-threaded
// sgemm (several in sequence if k is large). Its number of rows is one for which the bits of a row are always the same: in oneDNN 3.11, 24
// and the multiples of 48 up to 144, for its SSE4.1, AVX, AVX2 and AVX-512 kernels. row_product.h computes the remaining rows of a tile, or
// all of its rows, with the same bits. If it cannot, they are padded to 24 or 48 rows.
//
// On AVX-512 row_product.h computes every product that it can: it packs b alone, once for up to kProductRows rows, and is faster than sgemm.
#include <dlfcn.h>
#include <string.h>

#include <atomic>

#include "../text.h"
#include "cpu.h"
#include "matmul_tiles.h"
#include "row_product.h"

namespace dpo4j::cpu {
namespace {

// Row-major, as in the C header of oneDNN; dnnl_status_t is int and dnnl_dim_t is int64_t.
using Sgemm = int (*)(char transpose_a, char transpose_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a, int64_t a_stride,
                      const float* b, int64_t b_stride, float beta, float* c, int64_t c_stride);
using SetThreads = void (*)(int);

std::atomic<Sgemm> sgemm{nullptr};
std::atomic<SetThreads> set_threads{nullptr};  // sets the number of threads of the calling thread only
std::atomic<int64_t> block{0};                 // of RowProduct; 0: sgemm computes all

constexpr int64_t kProductRows = 1152;  // max rows per tile of row_product.h
constexpr int64_t kColumns = 256;       // max per tile
constexpr int64_t kDepth = 4096;        // max k per sgemm
constexpr int64_t kWholeRows = 48;      // a tile has a multiple of this many rows; remaining rows are padded
constexpr int64_t kHalfRows = 24;

struct Padded {
  float a[kWholeRows * kDepth];
  float c[kWholeRows * kColumns];
#ifdef DPO4J_X86_64
  float packed[kPackedFloats];
#endif
};
static_assert(sizeof(Padded) <= kScratchBytes, "padded rows fit a thread's scratch");

// Whether row_product.h can compute rows of this product.
bool has_row_product(const dpo4j_matmul_params& p) {
  return !p.transpose_a && p.transpose_b && p.alpha == 1 && block.load(std::memory_order_relaxed) != 0;
}

// Computes columns [column, column + n) of c.
struct Columns {
  const dpo4j_matmul_params& p;
  int64_t column, n;

  const float* a_at(int64_t row, int64_t depth) const {
    return static_cast<const float*>(p.a) + (p.transpose_a ? depth * p.a_stride + row : row * p.a_stride + depth);
  }
  const float* b_at(int64_t depth) const {
    const int64_t in_row = p.b_panels != 0 ? depth * kProductColumns : depth;
    return static_cast<const float*>(p.b) + (p.transpose_b ? column * p.b_stride + in_row : depth * p.b_stride + column);
  }
  float* c_at(int64_t row) const { return static_cast<float*>(p.c) + row * p.c_stride + column; }

  // c (+)= the part of the product for kDepth values of k from `depth` on.
  void multiply(float* c, int64_t c_stride, const float* a, int64_t a_stride, int64_t rows, int64_t depth) const {
    sgemm.load(std::memory_order_relaxed)(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', rows, n, min(p.k - depth, kDepth), p.alpha,
                                          a, a_stride, b_at(depth), p.b_stride, depth > 0 || p.accumulate || p.bias ? 1 : 0, c, c_stride);
  }

  // Sets rows of c to the bias.
  void begin(float* c, int64_t c_stride, int64_t rows) const {
    for (int64_t i = 0; p.bias && i < rows; i++) memcpy(c + i * c_stride, static_cast<const float*>(p.bias) + column, n * sizeof(float));
  }

  void run(int64_t row, int64_t rows) const {
    begin(c_at(row), p.c_stride, rows);
    for (int64_t depth = 0; depth < p.k; depth += kDepth) multiply(c_at(row), p.c_stride, a_at(row, depth), p.a_stride, rows, depth);
  }

  // Copies rows of a and appends rows of zeros. Returns the stride of the copy.
  int64_t pad(float* out, int64_t row, int64_t rows, int64_t padded_rows, int64_t depth) const {
    const int64_t steps = min(p.k - depth, kDepth);
    const int64_t lines = p.transpose_a ? steps : rows, length = p.transpose_a ? rows : steps;
    const int64_t stride = p.transpose_a ? padded_rows : steps;
    memset(out, 0, padded_rows * steps * sizeof(float));
    for (int64_t i = 0; i < lines; i++) memcpy(out + i * stride, a_at(row, depth) + i * p.a_stride, length * sizeof(float));
    return stride;
  }

  void run_padded(int64_t row, int64_t rows, Padded& padded) const {
    const int64_t padded_rows = rows <= kHalfRows ? kHalfRows : kWholeRows;
    memset(padded.c, 0, padded_rows * n * sizeof(float));
    for (int64_t i = 0; p.accumulate && i < rows; i++) memcpy(padded.c + i * n, c_at(row + i), n * sizeof(float));
    begin(padded.c, n, rows);
    for (int64_t depth = 0; depth < p.k; depth += kDepth) {
      const int64_t stride = pad(padded.a, row, rows, padded_rows, depth);
      multiply(padded.c, n, padded.a, stride, padded_rows, depth);
    }
    for (int64_t i = 0; i < rows; i++) memcpy(c_at(row + i), padded.c + i * n, n * sizeof(float));
  }

  void run_all(int64_t row, int64_t rows, Padded& padded) const {
    const int64_t whole = rows / kWholeRows * kWholeRows;
    if (whole > 0) run(row, whole);
    if (rows > whole) run_padded(row + whole, rows - whole, padded);
  }
};

// Whether the bits of sgemm depend on the number of columns: those of its AVX-512 kernels do where it adds to c, and k is more than two blocks.
// A processor with AVX-512 runs these kernels for every isa.
bool depends_on_columns(const dpo4j_matmul_params& p) {
  return best_isa() == DPO4J_ISA_AVX512 && (p.accumulate != 0 || p.bias != nullptr || p.k > kDepth);
}

// The rows of a tile that sgemm computes. row_product.h computes whole tiles: then b is packed once. With AVX2 it is as fast as sgemm, and
// computes tiles that sgemm cannot compute as a whole.
int64_t sgemm_rows(int32_t isa, const dpo4j_matmul_params& p, int64_t rows) {
  const int64_t whole = rows / kWholeRows * kWholeRows;
  const bool leaves_all = isa == DPO4J_ISA_AVX512 || p.b_panels != 0 || rows != whole || depends_on_columns(p);
  return has_row_product(p) && leaves_all ? 0 : whole;
}

#ifdef DPO4J_X86_64
// The bits are those of sgemm for every isa. So a portable context uses AVX2 here, as sgemm does.
void multiply_rows(int32_t isa, const RowProduct& p, float* packed) {
  constexpr int64_t kBoundByMemory = 2;
  if (isa == DPO4J_ISA_AVX512 && (p.has_panels || p.rows > kBoundByMemory)) return avx512::multiply_rows(p, packed);
  multiply_rows(p);
}
#endif

// Remaining rows of a tile. sgemm computes the columns after the last whole group, where it adds in another order. It computes the group
// before them too, because it computes fewer columns than a group in yet another way.
void run_product_rows(int32_t isa, const Columns& tile, int64_t row, int64_t rows, Padded& padded) {
#ifdef DPO4J_X86_64
  const dpo4j_matmul_params& p = tile.p;
  const int64_t groups = tile.n / kProductColumns;
  const int64_t columns = (tile.n % kProductColumns == 0 || groups == 0 ? groups : groups - 1) * kProductColumns;
  tile.begin(tile.c_at(row), p.c_stride, rows);
  for (int64_t depth = 0; depth < p.k; depth += kDepth) {
    multiply_rows(isa,
                  {tile.c_at(row), tile.a_at(row, depth), tile.b_at(depth), p.c_stride, p.a_stride, p.b_stride, rows, columns,
                   min(p.k - depth, kDepth), block.load(std::memory_order_relaxed), depth > 0 || p.accumulate != 0 || p.bias != nullptr,
                   p.b_panels != 0},
                  padded.packed);
  }
  if (columns == tile.n) return;
  const Columns rest = {p, tile.column + columns, tile.n - columns};
  for (int64_t done = 0; done < rows; done += kRows) rest.run_all(row + done, min(kRows, rows - done), padded);
#endif
}

void fill_zero(const dpo4j_matmul_params& p) {
  for (int64_t row = 0; row < p.m; row++) memset(static_cast<float*>(p.c) + row * p.c_stride, 0, p.n * sizeof(float));
}

}  // namespace

namespace {

#ifdef DPO4J_X86_64
constexpr int64_t kProbeRows = 16;

// Whether products of kProbeRows rows with this block have the bits of sgemm, for lengths of k of each kind: less than a block, two
// blocks, whole blocks, and all with a remainder.
bool is_block(Sgemm multiply, int64_t block) {
  constexpr int64_t kColumns = 2 * kProductColumns, kProbeDepth = 1700;
  static float a[kHalfRows * kProbeDepth], b[kColumns * kProbeDepth], expected[kHalfRows * kColumns], found[kProbeRows * kColumns];
  static float packed[kPackedFloats];
  uint32_t random = 1;
  const auto fill = [&](float* values, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
      random = random * 1664525 + 1013904223;
      values[i] = static_cast<float>(random >> 8) * 0x1p-24f - 0.5f;
    }
  };
  fill(a, kHalfRows * kProbeDepth);
  fill(b, kColumns * kProbeDepth);
  constexpr int64_t kLengths[] = {5, 64, 199, 257, 320, 385, 511, 512, 576, 767, 769, 1024, 1153, 1536, 1699};
  for (const int64_t k : kLengths) {
    multiply('N', 'T', kHalfRows, kColumns, k, 1, a, k, b, k, 0, expected, kColumns);
    multiply_rows(best_isa(), {found, a, b, kColumns, k, k, kProbeRows, kColumns, k, block, false, false}, packed);
    if (memcmp(found, expected, sizeof found) != 0) return false;
  }
  return true;
}

int64_t find_block(Sgemm multiply) {
  if (best_isa() == DPO4J_ISA_PORTABLE) return 0;
  for (int64_t block = 64; block <= kMaxBlock; block += 64) {
    if (is_block(multiply, block)) return block;
  }
  return 0;
}
#else
int64_t find_block(Sgemm) { return 0; }
#endif

void run_bf16(Cpu& cpu, const dpo4j_matmul_params& p) {
#ifdef DPO4J_X86_64
  static const bool has_instructions = has_avx512_bf16();
  if (has_instructions && cpu.isa == DPO4J_ISA_AVX512) return avx512_bf16::run(cpu.threads, Bf16Matmul{p});
#endif
  run(cpu, Bf16Matmul{p});
}

}  // namespace

bool has_panels(const Cpu& cpu, int64_t rows, int64_t columns, int32_t dtype) {
#ifdef DPO4J_X86_64
  constexpr int64_t kPieceBytes = 16;
  const int64_t row_bytes = columns * (dtype == DPO4J_F32 ? 4 : 2);
  const bool multiplies = dtype == DPO4J_F32 ? cpu.isa != DPO4J_ISA_PORTABLE && block.load(std::memory_order_relaxed) != 0
                                             : cpu.isa == DPO4J_ISA_AVX512 && has_avx512_bf16();
  return multiplies && rows % kProductColumns == 0 && row_bytes % kPieceBytes == 0 &&
         row_bytes * kProductColumns <= static_cast<int64_t>(kScratchBytes);
#else
  (void)cpu, (void)rows, (void)columns, (void)dtype;
  return false;
#endif
}

void run(Cpu& cpu, const dpo4j_pack_panels_params& p) {
#ifdef DPO4J_X86_64
  avx2::run(cpu.threads, p);
#else
  (void)cpu, (void)p;
#endif
}

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
  threads(1);
  block.store(find_block(multiply), std::memory_order_relaxed);
  sgemm.store(multiply, std::memory_order_release);
  return 0;
}

void run(Cpu& cpu, const dpo4j_matmul_params& p) {
  if (p.dtype == DPO4J_BF16) return run_bf16(cpu, p);
  if (p.k == 0 && !p.accumulate && !p.bias) return fill_zero(p);
  const bool is_row_product = has_row_product(p) && (cpu.isa == DPO4J_ISA_AVX512 || p.m <= kRows);
  const int64_t width = is_row_product ? thread_tile_columns(p.n, cpu.threads.count(), kMaxTileColumns) : tile_columns(p.n, kColumns);
  const int64_t height = is_row_product ? kProductRows : kRows;
  const int64_t column_tiles = (p.n + width - 1) / width;
  const int64_t row_tiles = (p.m + height - 1) / height;
  parallel(cpu.threads, row_tiles * column_tiles, [&](int64_t task, void* scratch) {
    set_threads.load(std::memory_order_relaxed)(1);
    const int64_t column = task % column_tiles * width;
    const int64_t row = task / column_tiles * height;
    const int64_t rows = min(height, p.m - row);
    const int64_t whole = sgemm_rows(cpu.isa, p, rows);
    const Columns columns = {p, column, min(width, p.n - column)};
    if (whole > 0) columns.run(row, whole);
    Padded& padded = *static_cast<Padded*>(scratch);
    if (rows == whole) return;
    if (has_row_product(p)) {
      run_product_rows(cpu.isa, columns, row + whole, rows - whole, padded);
    } else {
      columns.run_padded(row + whole, rows - whole, padded);
    }
  });
}

}  // namespace dpo4j::cpu
