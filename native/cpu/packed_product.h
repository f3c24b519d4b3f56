// c[m, n] (+)= a[m, k] b[n, k]^T by blocks of b, with vectors of AVX-512. A word is 32 bits: an fp32, or two bf16 of consecutive k. An element
// of c is one chain from the first word of a block to the last, then one addition to c. So its bits do not depend on m, on n, or on how b is
// stored.
//
// If b is stored by rows, blocks are packed: element (i, j) of a packed block is word i of column j. If b is stored in panels (dpo4j_matmul_params),
// blocks are read where they are.
//
// Multiplications use half of the vector units, and few of the loads and stores that the processor can do. So the loop over the words of a block
// also packs the next block, or prefetches it, in pieces.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "vector.h"

namespace dpo4j::cpu::DPO4J_ISA {

constexpr int kMaxVectors = 4;  // of a group of columns

struct Fp32Words {
  static DPO4J_INLINE __m512 multiply(__m512 a, __m512 b, __m512 sum) { return _mm512_fmadd_ps(a, b, sum); }
};

#ifdef __AVX512BF16__
struct Bf16Words {
  static DPO4J_INLINE __m512 multiply(__m512 a, __m512 b, __m512 sum) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
};
#endif

// A block of b on its way into `out`, whose rows have `width` words. A piece is four words of kLanes rows.
struct Packing {
  const char* rows;   // the first word of the next piece
  int64_t row_bytes;  // between rows
  uint32_t* out;
  int64_t width;
  int64_t words;   // of a row, a multiple of kPieceWords
  int64_t left;    // of these rows
  int64_t pieces;  // left
  // Memory that is packed later. Each piece prefetches as many bytes of it as it packs, into L2 and in order of addresses. The hardware
  // prefetcher does not do it: the rows of a block are too many streams.
  const char* ahead;
};

constexpr int64_t kPieceWords = 4, kPieceBytes = kPieceWords * sizeof(uint32_t);

// Packs `bytes` of kLanes rows, at most kPieceBytes, as kPieceWords rows of out. Words that the rows do not have become 0.
DPO4J_INLINE void pack_words(uint32_t* out, int64_t width, const char* rows, int64_t row_bytes, int64_t bytes) {
  const __mmask16 mask = static_cast<__mmask16>((1u << bytes) - 1);
  const auto words_of = [&](int row) {
    const char* at = rows + row * row_bytes;
    return _mm_castsi128_ps(bytes == kPieceBytes ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)) : _mm_maskz_loadu_epi8(mask, at));
  };
  __m512 four[kPieceWords];  // four[j] has the words of rows j, 4 + j, 8 + j and 12 + j
#pragma GCC unroll 4
  for (int j = 0; j < kPieceWords; j++) {
    four[j] = _mm512_castps128_ps512(words_of(j));
    four[j] = _mm512_mask_broadcast_f32x4(four[j], 0x00F0, words_of(4 + j));
    four[j] = _mm512_mask_broadcast_f32x4(four[j], 0x0F00, words_of(8 + j));
    four[j] = _mm512_mask_broadcast_f32x4(four[j], 0xF000, words_of(12 + j));
  }
  const __m512 low = _mm512_unpacklo_ps(four[0], four[1]), high = _mm512_unpackhi_ps(four[0], four[1]);
  const __m512 next_low = _mm512_unpacklo_ps(four[2], four[3]), next_high = _mm512_unpackhi_ps(four[2], four[3]);
  _mm512_storeu_ps(out, _mm512_shuffle_ps(low, next_low, 0x44));
  _mm512_storeu_ps(out + width, _mm512_shuffle_ps(low, next_low, 0xEE));
  _mm512_storeu_ps(out + 2 * width, _mm512_shuffle_ps(high, next_high, 0x44));
  _mm512_storeu_ps(out + 3 * width, _mm512_shuffle_ps(high, next_high, 0xEE));
}

DPO4J_INLINE void pack_piece(Packing& s) {
  constexpr int64_t kLine = 64;
  for (int64_t i = 0; i < kLanes * kPieceBytes; i += kLine) __builtin_prefetch(s.ahead + i, 0, 2);
  pack_words(s.out, s.width, s.rows, s.row_bytes, kPieceBytes);
  s.rows += kPieceBytes;
  s.out += kPieceWords * s.width;
  s.ahead += kLanes * kPieceBytes;
  s.left -= kPieceWords;
  s.pieces--;
  if (s.left > 0) return;
  s.rows += kLanes * s.row_bytes - s.words * static_cast<int64_t>(sizeof(uint32_t));
  s.out += kLanes - s.words * s.width;
  s.left = s.words;
}

// The next block of panels, which is prefetched. A piece is kPieceWords lines of one panel.
struct Fetching {
  const char* at;       // the next piece
  int64_t panel;        // bytes between panels
  int64_t words, left;  // of a panel of the block, and of this panel
  int64_t pieces;       // left
};

DPO4J_INLINE void fetch_piece(Fetching& s) {
  constexpr int64_t kLine = 64, kBytes = kPieceWords * kLine;
  for (int64_t i = 0; i < kBytes; i += kLine) __builtin_prefetch(s.at + i, 0, 2);
  s.at += kBytes;
  s.left -= kPieceWords;
  s.pieces--;
  if (s.left > 0) return;
  s.at += s.panel - (s.words - s.left) * kLine;
  s.left = s.words;
}

// How the columns of a block are stored: word i of vector j is at i * step + j * vector, in words.
struct PackedColumns {
  using Next = Packing;
  static DPO4J_INLINE void prepare(Next& next) { pack_piece(next); }
  static constexpr int64_t step(int vectors) { return vectors * kLanes; }
  static constexpr int64_t vector(int64_t) { return kLanes; }
};

struct PanelColumns {
  using Next = Fetching;
  static DPO4J_INLINE void prepare(Next& next) { fetch_piece(next); }
  static constexpr int64_t step(int) { return kLanes; }
  static constexpr int64_t vector(int64_t panel) { return panel; }
};

struct BlockProduct {
  float* c;
  const uint32_t *a, *b;
  int64_t c_stride;
  int64_t a_row, a_word;  // words between rows of a, and between consecutive words of a row
  int64_t panel;          // words between panels of b, if it is stored in panels
  int64_t rows, words;
  bool adds;  // to c
};

// Rows whose sums fill 24 of 32 registers.
constexpr int64_t max_rows(int64_t vectors) { return vectors == 1 ? 12 : 24 / vectors; }
template <int kVectors>
constexpr int kMaxRows = static_cast<int>(max_rows(kVectors));

// Multiplies, and prepares `pieces` of the next block between the words.
template <class Words, class Columns, int kVectors, int kRows>
DPO4J_INLINE void block_rows(const BlockProduct& p, int64_t row, typename Columns::Next& next, int64_t pieces) {
  constexpr int64_t kStep = Columns::step(kVectors);
  const int64_t vector = Columns::vector(p.panel);
  __m512 sums[kRows][kVectors] = {};
  const uint32_t* a = p.a + row * p.a_row;
  const uint32_t* b = p.b;
  const uint32_t* const end = b + p.words * kStep;
  const int64_t between = pieces > 0 ? p.words / pieces * kStep : 0;
  const auto multiply_until = [&](const uint32_t* until) __attribute__((always_inline)) {
    for (; b < until; a += p.a_word, b += kStep) {
      __m512 columns[kVectors];
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; j++) columns[j] = _mm512_loadu_ps(b + j * vector);
#pragma GCC unroll 12
      for (int r = 0; r < kRows; r++) {
        const __m512 x = (__m512)_mm512_set1_epi32(static_cast<int>(a[r * p.a_row]));
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; j++) sums[r][j] = Words::multiply(x, columns[j], sums[r][j]);
      }
    }
  };
  for (; pieces > 0; pieces--) {
    Columns::prepare(next);
    multiply_until(b + between);
  }
  multiply_until(end);
#pragma GCC unroll 12
  for (int r = 0; r < kRows; r++) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; j++) {
      float* c = p.c + (row + r) * p.c_stride + j * kLanes;
      _mm512_storeu_ps(c, p.adds ? _mm512_add_ps(_mm512_loadu_ps(c), sums[r][j]) : sums[r][j]);
    }
  }
}

// Runs block_rows for `rows` rows, 1 to kRows.
template <class Words, class Columns, int kVectors, int kRows>
void some_rows(const BlockProduct& p, int64_t row, int64_t rows, typename Columns::Next& next, int64_t pieces) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return some_rows<Words, Columns, kVectors, kRows - 1>(p, row, rows, next, pieces);
  }
  block_rows<Words, Columns, kVectors, kRows>(p, row, next, pieces);
}

// Cuts the rows, and the pieces of the next block, into parts of nearly equal size.
template <class Words, class Columns, int kVectors>
void all_rows(const BlockProduct& p, typename Columns::Next& next) {
  const int64_t parts = (p.rows + kMaxRows<kVectors> - 1) / kMaxRows<kVectors>;
  for (int64_t part = 0; part < parts; part++) {
    const int64_t begin = p.rows * part / parts;
    some_rows<Words, Columns, kVectors, kMaxRows<kVectors>>(p, begin, p.rows * (part + 1) / parts - begin, next,
                                                            next.pieces / (parts - part));
  }
}

// `vectors` vectors of columns, 1 to kMaxVectors. Prepares all that is left of `next`.
template <class Words, class Columns>
void block_product(const BlockProduct& p, int64_t vectors, typename Columns::Next& next) {
  switch (vectors) {
    case 1:
      return all_rows<Words, Columns, 1>(p, next);
    case 2:
      return all_rows<Words, Columns, 2>(p, next);
    case 3:
      return all_rows<Words, Columns, 3>(p, next);
    default:
      return all_rows<Words, Columns, 4>(p, next);
  }
}

// Calls f(first, count) for groups of nearly equal size, of at most kMaxVectors vectors.
template <class F>
DPO4J_INLINE void each_group(int64_t vectors, const F& f) {
  const int64_t groups = (vectors + kMaxVectors - 1) / kMaxVectors;
  for (int64_t group = 0; group < groups; group++) {
    const int64_t first = vectors * group / groups;
    f(first, vectors * (group + 1) / groups - first);
  }
}

// Row i becomes column i.
DPO4J_INLINE void transpose_words(__m512 rows[kLanes]) {
  __m512 pair[kLanes], four[kLanes];
#pragma GCC unroll 8
  for (int i = 0; i < kLanes; i += 2) {
    pair[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
    pair[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kLanes; i += 4) {
    four[i] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0x44);
    four[i + 1] = _mm512_shuffle_ps(pair[i], pair[i + 2], 0xEE);
    four[i + 2] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
    four[i + 3] = _mm512_shuffle_ps(pair[i + 1], pair[i + 3], 0xEE);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const __m512 low_even = _mm512_shuffle_f32x4(four[i], four[i + 4], 0x88), low_odd = _mm512_shuffle_f32x4(four[i], four[i + 4], 0xDD);
    const __m512 high_even = _mm512_shuffle_f32x4(four[i + 8], four[i + 12], 0x88);
    const __m512 high_odd = _mm512_shuffle_f32x4(four[i + 8], four[i + 12], 0xDD);
    rows[i] = _mm512_shuffle_f32x4(low_even, high_even, 0x88);
    rows[i + 4] = _mm512_shuffle_f32x4(low_odd, high_odd, 0x88);
    rows[i + 8] = _mm512_shuffle_f32x4(low_even, high_even, 0xDD);
    rows[i + 12] = _mm512_shuffle_f32x4(low_odd, high_odd, 0xDD);
  }
}

// c[m, n] (+)= a[m, k] b[n, k]^T. Rows of a and b are whole words.
struct ColumnsProduct {
  float* c;
  const char *a, *b;
  int64_t c_stride, a_bytes, b_bytes;  // between rows: numbers of c, bytes of a and b
  int64_t rows, vectors, k;            // kLanes columns a vector
  int64_t k_bytes;                     // of an element of a and b
  bool adds;
  uint32_t* packed[2];  // for b that is stored by rows
};

// Elements [begin, begin + length) of `vectors` vectors of columns. A block without vectors follows the last one.
struct Block {
  int64_t group, begin, length, first, vectors;
};

// split(left) is the length of the next block of k, of `left` elements that are left.
template <class Split>
DPO4J_INLINE Block block_at(const ColumnsProduct& t, int64_t group, int64_t begin, const Split& split) {
  const int64_t groups = (t.vectors + kMaxVectors - 1) / kMaxVectors;
  if (begin == t.k) group++, begin = 0;
  if (group >= groups) return {};
  const int64_t first = t.vectors * group / groups;
  return {group, begin, split(t.k - begin), first, t.vectors * (group + 1) / groups - first};
}

template <class Split>
DPO4J_INLINE Block block_after(const ColumnsProduct& t, const Block& block, const Split& split) {
  return block_at(t, block.group, block.begin + block.length, split);
}

DPO4J_INLINE BlockProduct product_of(const ColumnsProduct& t, const Block& block, const void* b) {
  constexpr int64_t kWord = sizeof(uint32_t);
  return {t.c + block.first * kLanes,
          reinterpret_cast<const uint32_t*>(t.a + block.begin * t.k_bytes),
          static_cast<const uint32_t*>(b),
          t.c_stride,
          t.a_bytes / kWord,
          1,
          t.b_bytes / kWord * kLanes,
          t.rows,
          (block.length * t.k_bytes + kWord - 1) / kWord,
          block.begin > 0 || t.adds};
}

// Packs the words after the last whole piece. pack_piece packs the others.
DPO4J_INLINE Packing begin_packing(const ColumnsProduct& t, const Block& block, uint32_t* out) {
  if (block.vectors == 0) return {};
  const int64_t width = block.vectors * kLanes, bytes = block.length * t.k_bytes, whole = bytes / kPieceBytes * kPieceBytes;
  const char* rows = t.b + block.first * kLanes * t.b_bytes + block.begin * t.k_bytes;
  const int64_t words = whole / static_cast<int64_t>(sizeof(uint32_t));
  for (int64_t j = 0; bytes > whole && j < width; j += kLanes) {
    pack_words(out + words * width + j, width, rows + j * t.b_bytes + whole, t.b_bytes, bytes - whole);
  }
  const char* next_group = t.b + (block.first * kLanes + width) * t.b_bytes + block.begin * width * t.k_bytes;
  return {rows, t.b_bytes, out, width, words, words, words / kPieceWords * block.vectors, next_group};
}

// Prefetches the first group of columns, which no piece has prefetched.
DPO4J_INLINE void fetch_first_group(const ColumnsProduct& t, const Block& first) {
  constexpr int64_t kLine = 64;
  for (int64_t i = 0; i < first.vectors * kLanes * t.b_bytes; i += kLine) __builtin_prefetch(t.b + i, 0, 2);
}

template <class Words, class Split>
void multiply_columns(const ColumnsProduct& t, const Split& split) {
  // With many rows packing takes a small part of the time, and packing between the words slows the loop down more than it saves.
  constexpr int64_t kManyRows = 144;
  const bool packs_ahead = t.rows <= kManyRows;
  Block block = block_at(t, 0, 0, split);
  fetch_first_group(t, block);
  Packing packing = begin_packing(t, block, t.packed[0]);
  for (int buffer = 0; block.vectors > 0; buffer ^= 1) {
    while (packing.pieces > 0) pack_piece(packing);
    const Block next = block_after(t, block, split);
    packing = begin_packing(t, next, t.packed[buffer ^ 1]);
    Packing none = {};
    block_product<Words, PackedColumns>(product_of(t, block, t.packed[buffer]), block.vectors, packs_ahead ? packing : none);
    block = next;
  }
}

// The same for b in panels.
template <class Words, class Split>
void multiply_panels(const ColumnsProduct& t, const Split& split) {
  const int64_t panel = kLanes * t.b_bytes;
  const auto address = [&](const Block& block) { return t.b + block.first * panel + block.begin * t.k_bytes * kLanes; };
  for (Block block = block_at(t, 0, 0, split), next; block.vectors > 0; block = next) {
    next = block_after(t, block, split);
    const int64_t words = next.length * t.k_bytes / static_cast<int64_t>(sizeof(uint32_t));
    Fetching fetching = {address(next), panel, words, words, (words + kPieceWords - 1) / kPieceWords * next.vectors};
    block_product<Words, PanelColumns>(product_of(t, block, address(block)), block.vectors, fetching);
  }
}

// The same for one row or two, with the same bits. Reading b takes most of the time, so b is not packed: its words are transposed in registers.
template <class Words, int kRows, class Split>
void multiply_few_rows(const ColumnsProduct& t, const Split& split) {
  constexpr int64_t kWord = sizeof(uint32_t), kLine = 64;
  for (int64_t vector = 0; vector < t.vectors; vector++) {
    const char* rows = t.b + vector * kLanes * t.b_bytes;
    const char* ahead = rows + kLanes * t.b_bytes;  // the rows of the next vector, in the order of memory
    for (int64_t begin = 0, length; begin < t.k; begin += length) {
      length = split(t.k - begin);
      const int64_t bytes = length * t.k_bytes, offset = begin * t.k_bytes;
      __m512 sums[kRows] = {};
      for (int64_t at = 0; at < bytes; at += kLine, ahead += kLanes * kLine) {
        const int64_t left = bytes - at;
        const __mmask64 mask = left >= kLine ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
        __m512 words[kLanes];
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) {
          words[i] = (__m512)_mm512_maskz_loadu_epi8(mask, rows + i * t.b_bytes + offset + at);
          __builtin_prefetch(ahead + i * kLine);
        }
        transpose_words(words);
        const char* a = t.a + offset + at;
#pragma GCC unroll 16
        for (int i = 0; i < kLanes; i++) {
          if (i * kWord >= left) break;
          for (int r = 0; r < kRows; r++) {
            int32_t word;
            __builtin_memcpy(&word, a + r * t.a_bytes + i * kWord, kWord);
            sums[r] = Words::multiply((__m512)_mm512_set1_epi32(word), words[i], sums[r]);
          }
        }
      }
      for (int r = 0; r < kRows; r++) {
        float* c = t.c + r * t.c_stride + vector * kLanes;
        _mm512_storeu_ps(c, begin > 0 || t.adds ? _mm512_add_ps(_mm512_loadu_ps(c), sums[r]) : sums[r]);
      }
    }
  }
}

}  // namespace dpo4j::cpu::DPO4J_ISA
