// c = op(a) op(b) (+ c or bias) of bf16 matrices, with fp32 sums. A task computes one tile of c. k is cut into blocks of kDepth. A block of b
// is packed for at most kPackedColumns columns at a time, and stays in L2 while all rows of the tile are multiplied by it. How k is cut, and
// the order of sums, do not depend on the tile. So the bits of a row depend neither on m nor on the tile.
//
// Processors with avx512_bf16 multiply pairs of consecutive k at once (vdpbf16ps, two products per lane), twice as many products as with
// fp32. For others, blocks are converted to fp32 when they are packed.
#include "cpu.h"
#include "matmul_tiles.h"
#ifdef __AVX512BF16__
#include "packed_product.h"
#include "storage.h"
#else
#include "product.h"
#include "transpose_block.h"
#endif

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

constexpr int64_t kDepth = 512;
constexpr int64_t kPackedColumns = 64;
constexpr int64_t kColumns = 320;  // max per tile of more than kRows rows: a is read once per tile, so wide tiles read it fewer times
constexpr int64_t kSums = kRows * kColumns;

struct Scratch {
  float sums[kSums];
  uint32_t a[kRows * kDepth];
  uint32_t b[kDepth * kPackedColumns];  // for avx512_bf16, two blocks of half as many words
};
static_assert(sizeof(Scratch) <= kScratchBytes, "the blocks of a tile fit a thread's scratch");

// A tile of c, and the matrices from its rows and columns on.
struct Tile {
  const Bf16Matmul& p;
  int64_t row, column, rows, columns;
  float* sums;
  int64_t sums_stride;  // between rows of sums

  const Bf16* a_at(int64_t i, int64_t depth) const {
    return static_cast<const Bf16*>(p.a) + (p.transpose_a ? depth * p.a_stride + row + i : (row + i) * p.a_stride + depth);
  }
  const Bf16* b_at(int64_t j, int64_t depth) const {
    return static_cast<const Bf16*>(p.b) + (p.transpose_b ? (column + j) * p.b_stride + depth : depth * p.b_stride + column + j);
  }
};

int64_t whole_vectors(int64_t count) { return (count + kLanes - 1) / kLanes; }

#ifdef __AVX512BF16__

constexpr int64_t kPair = 2;

constexpr int64_t kLine = 32;       // elements of a cache line
constexpr int64_t kRowsAhead = 32;  // of rows that are packed

DPO4J_INLINE __m512i load_part(const Bf16* at, int64_t count) {
  return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes({static_cast<int>(count < kLanes ? count : kLanes)}), at));
}

// Word (i, j) of out is element j of rows 2 i and 2 i + 1. A row that does not exist is 0. Rows lie too far apart for the processor to fetch the
// next ones by itself.
void pack_pairs_of_rows(uint32_t* out, int64_t out_stride, const Bf16* in, int64_t in_stride, int64_t rows, int64_t count) {
  for (int64_t i = 0; i < rows; i += kPair, in += kPair * in_stride, out += out_stride) {
    for (int64_t j = 0; j < count; j += kLine) {
      for (int64_t row = kRowsAhead; row < kRowsAhead + kPair; row++) __builtin_prefetch(in + row * in_stride + j);
    }
    for (int64_t j = 0; j < count; j += kLanes) {
      const __m512i low = load_part(in + j, count - j);
      const __m512i high = i + 1 == rows ? _mm512_setzero_si512() : load_part(in + in_stride + j, count - j);
      _mm512_storeu_si512(out + j, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
  }
}

// The words of a: row r has its words at[r * row], at[r * row + word], ...
struct Words {
  const uint32_t* at;
  int64_t row, word;
};

Words words_of_a(const Tile& tile, int64_t depth, int64_t length, uint32_t* packed) {
  const Tile& t = tile;
  if (t.p.transpose_a) {
    const int64_t stride = whole_vectors(t.rows) * kLanes;
    pack_pairs_of_rows(packed, stride, t.a_at(0, depth), t.p.a_stride, length, t.rows);
    return {packed, 1, stride};
  }
  if (length % kPair == 0 && t.p.a_stride % kPair == 0) {
    return {reinterpret_cast<const uint32_t*>(t.a_at(0, depth)), t.p.a_stride / kPair, 1};
  }
  const int64_t stride = kDepth / kPair;
  for (int64_t r = 0; r < t.rows; r++) {
    packed[r * stride + length / kPair] = 0;
    __builtin_memcpy(packed + r * stride, t.a_at(r, depth), length * sizeof(Bf16));
  }
  return {packed, stride, 1};
}

// kLanes columns of words from b stored [n,k]. Columns beyond `count` are 0.
void pack_rows_as_columns(uint32_t* out, int64_t width, const Bf16* b, int64_t stride, int64_t count, int64_t length) {
  constexpr int64_t kElements = kPair * kLanes;
  for (int64_t at = 0; at < length; at += kElements) {
    const int64_t left = length - at;
    const __mmask32 mask = left >= kElements ? ~0u : (1u << left) - 1;
    __m512 block[kLanes];
#pragma GCC unroll 16
    for (int64_t j = 0; j < kLanes; j++) block[j] = (__m512)_mm512_maskz_loadu_epi16(j < count ? mask : 0, b + j * stride + at);
    transpose_words(block);
#pragma GCC unroll 16
    for (int64_t i = 0; i < kLanes; i++) _mm512_storeu_ps(out + (at / kPair + i) * width, block[i]);
  }
}

void pack_b(const Tile& tile, int64_t column, int64_t width, int64_t depth, int64_t length, uint32_t* packed) {
  const int64_t count = min(width, tile.columns - column), stride = tile.p.b_stride;
  if (!tile.p.transpose_b) return pack_pairs_of_rows(packed, width, tile.b_at(column, depth), stride, length, count);
  for (int64_t j = 0; j < width; j += kLanes) {
    pack_rows_as_columns(packed + j, width, tile.b_at(column + j, depth), stride, count - j, length);
  }
}

void add_block(const Tile& tile, int64_t depth, Scratch& scratch) {
  const int64_t length = min(kDepth, tile.p.k - depth);
  const Words a = words_of_a(tile, depth, length, scratch.a);
  each_group(whole_vectors(tile.columns), [&](int64_t first, int64_t vectors) {
    const int64_t column = first * kLanes, width = vectors * kLanes;
    pack_b(tile, column, width, depth, length, scratch.b);
    Packing none = {};
    block_product<Bf16Words, PackedColumns>(
        {tile.sums + column, a.at, scratch.b, tile.sums_stride, a.row, a.word, 0, tile.rows, (length + 1) / kPair, depth > 0}, vectors,
        none);
  });
}

void multiply_tile(const Tile& tile, Scratch& scratch) {
  const Bf16Matmul& p = tile.p;
  int64_t done = 0;
  if (!p.transpose_a && p.transpose_b && p.k % kPair == 0 && p.a_stride % kPair == 0) {
    done = tile.columns / kLanes * kLanes;
    constexpr int64_t kBytes = sizeof(Bf16);
    const auto a = reinterpret_cast<const char*>(tile.a_at(0, 0)), b = reinterpret_cast<const char*>(tile.b_at(0, 0));
    const ColumnsProduct product = {tile.sums,
                                    a,
                                    b,
                                    tile.sums_stride,
                                    p.a_stride * kBytes,
                                    p.b_stride * kBytes,
                                    tile.rows,
                                    done / kLanes,
                                    p.k,
                                    kBytes,
                                    false,
                                    {scratch.b, scratch.b + kDepth / kPair * kPackedColumns}};
    const auto split = [](int64_t left) { return min(kDepth, left); };
    if (p.b_panels != 0)
      multiply_panels<Bf16Words>(product, split);
    else if (tile.rows == 1)
      multiply_few_rows<Bf16Words, 1>(product, split);
    else if (tile.rows == 2)
      multiply_few_rows<Bf16Words, 2>(product, split);
    else
      multiply_columns<Bf16Words>(product, split);
  }
  if (done == tile.columns) return;
  const Tile rest = {p, tile.row, tile.column + done, tile.rows, tile.columns - done, tile.sums + done, tile.sums_stride};
  for (int64_t depth = 0; depth < p.k; depth += kDepth) add_block(rest, depth, scratch);
}

#else

// Rows of `count` elements, as rows of floats.
void widen_rows(float* out, int64_t out_stride, const Bf16* in, int64_t in_stride, int64_t rows, int64_t count) {
  for (int64_t i = 0; i < rows; i++) {
    each_vector(count, [&](int64_t j, auto lanes) { store(out + i * out_stride + j, load(in + i * in_stride + j, lanes)); });
  }
}

// Rows of `length` elements, as columns of floats. Columns from `count` up to a whole block are copies of the last one.
void widen_columns(float* out, int64_t out_stride, const Bf16* in, int64_t in_stride, int64_t count, int64_t length) {
  for (int64_t j = 0; j < count; j += kBlock) {
    const Bf16* rows[kBlock];
    for (int64_t r = 0; r < kBlock; r++) rows[r] = in + min(j + r, count - 1) * in_stride;
    for (int64_t i = 0; i < length; i += kBlock) transpose_block(out + i * out_stride + j, out_stride, rows, i, length - i);
  }
}

void add_block(const Tile& tile, int64_t depth, Scratch& scratch) {
  const int64_t length = min(kDepth, tile.p.k - depth);
  float *a = reinterpret_cast<float*>(scratch.a), *b = reinterpret_cast<float*>(scratch.b);
  if (tile.p.transpose_a)
    widen_rows(a, kRows, tile.a_at(0, depth), tile.p.a_stride, length, tile.rows);
  else
    widen_rows(a, kDepth, tile.a_at(0, depth), tile.p.a_stride, tile.rows, length);
  const Left left = tile.p.transpose_a ? Left{a, 1, kRows} : Left{a, kDepth, 1};
  for (int64_t column = 0; column < tile.columns; column += kPackedColumns) {
    const int64_t count = min(kPackedColumns, tile.columns - column);
    const Bf16* in = tile.b_at(column, depth);
    if (tile.p.transpose_b)
      widen_columns(b, kPackedColumns, in, tile.p.b_stride, count, length);
    else
      widen_rows(b, kPackedColumns, in, tile.p.b_stride, length, count);
    product(tile.sums + column, tile.sums_stride, left, b, kPackedColumns, tile.rows, whole_vectors(count) * kLanes, length, depth > 0);
  }
}

void multiply_tile(const Tile& tile, Scratch& scratch) {
  for (int64_t depth = 0; depth < tile.p.k; depth += kDepth) add_block(tile, depth, scratch);
}

#endif

// c = alpha sums (+ c or bias), rounded once.
template <class C>
void store_tile(const Tile& tile) {
  const Bf16Matmul& p = tile.p;
  const Floats alpha = all(p.alpha);
  for (int64_t i = 0; i < tile.rows; i++) {
    C* c = static_cast<C*>(p.c) + (tile.row + i) * p.c_stride + tile.column;
    const C* added = p.accumulate ? c : p.bias != nullptr ? static_cast<const C*>(p.bias) + tile.column : nullptr;
    each_vector(tile.columns, [&](int64_t j, auto lanes) {
      const Floats sum = p.k == 0 ? all(0) : load(tile.sums + i * tile.sums_stride + j, lanes);
      store(c + j, added != nullptr ? fma(sum, alpha, load(added + j, lanes)) : sum * alpha, lanes);
    });
  }
}

}  // namespace

void run(Threads& threads, const Bf16Matmul& p) {
  const int64_t height = p.m < kRows ? p.m : kRows;
  const int64_t width =
      p.m <= kRows ? thread_tile_columns(p.n, threads.count(), kSums / (height == 0 ? 1 : height)) : tile_columns(p.n, kColumns);
  const int64_t column_tiles = (p.n + width - 1) / width;
  const int64_t row_tiles = (p.m + kRows - 1) / kRows;
  parallel(threads, row_tiles * column_tiles, [&](int64_t task, void* memory) {
    Scratch& scratch = *static_cast<Scratch*>(memory);
    const int64_t row = task / column_tiles * kRows, column = task % column_tiles * width;
    const Tile tile = {p, row, column, min(kRows, p.m - row), min(width, p.n - column), scratch.sums, width};
    multiply_tile(tile, scratch);
    with_storage(p.c_dtype, [&](auto stored) { store_tile<decltype(stored)>(tile); });
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
