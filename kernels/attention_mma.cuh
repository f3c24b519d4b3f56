// Tiles of attention on tensor cores (mma.sync): bf16 in shared memory, fp32 in registers. A warp owns 16 or 32 rows of the block for both
// products (attention.cuh). In registers, scores become weights and are rounded to bf16. Each lane then already holds its part of the A
// fragments of the second product.
//
// Tiles are loaded by cp.async, 16 bytes at a time. They fit in 99 KiB, the min over supported devices of shared memory per block. Two
// blocks per SM are intended, so that one computes exponentials while the other multiplies. Some kernels have narrower tiles for GPUs whose
// SMs have too little shared memory for two blocks with the widest tiles: 100 KiB (compute capability 8.6, 8.9, 12.0) or 164 KiB (8.0, 8.7).
// Tiles of backward change no bits: sums have the same order, 16 columns at a time. Tiles of forward do, since the running maximum of the
// softmax moves from tile to tile.
//
// A warp has 32 rows if registers allow it. Then 512 bytes of a column tile, read from shared memory once, are used by four instructions of
// 2048 multiplications each. With 16 rows only two instructions use them, and on H100, reading shared memory (128 bytes per clock) takes as
// long as mma.sync.
#pragma once

#include "attention.cuh"
#include "mma.cuh"
#include "reduce.cuh"
#include "vectors.cuh"

namespace dpo4j::cuda::attention {

using bf16 = __nv_bfloat16;

constexpr int kMmaWarps = 4, kMmaThreads = kMmaWarps * kWarp;
constexpr int kMmaBlocks = 2;  // resident per SM: 255 registers per thread

// Whether an SM has shared memory for kMmaBlocks blocks of this size. The system reserves 1 KiB of each block.
constexpr bool fits(size_t block_bytes, size_t sm_bytes) { return kMmaBlocks * (block_bytes + (1 << 10)) <= sm_bytes; }

// Shared memory of the SMs for which there are narrower tiles.
constexpr size_t kSmallSmBytes = 100 << 10, kMediumSmBytes = 164 << 10;

// Tiles that a kernel can use, each with kSharedBytes of a block, the widest first.
template <class... Tiles>
struct TileList {};

// Calls f(tile) with the first tile of which kMmaBlocks blocks fit on an SM of the device, or with the widest if none does.
template <class F, class Widest, class... Narrower>
int with_fitting(const LaunchContext& context, TileList<Widest, Narrower...>, F f) {
  int error = cudaSuccess;
  bool is_done = false;
  const auto attempt = [&](auto tile, bool is_last_resort) {
    if (is_done || !(is_last_resort || fits(tile.kSharedBytes, context.sm_shared_bytes))) return;
    error = f(tile);
    is_done = true;
  };
  attempt(Widest{}, sizeof...(Narrower) == 0);
  (attempt(Narrower{}, false), ...);
  attempt(Widest{}, true);
  return error;
}

__device__ __forceinline__ int warp_index() { return uniform(static_cast<int>(threadIdx.x) / kWarp); }

__device__ __forceinline__ dpo4j_segment read_segment(const dpo4j_segment* at) {
  return {uniform(at->query_begin),  uniform(at->query_count),  uniform(at->key_begin),  uniform(at->key_offset),
          uniform(at->prefix_begin), uniform(at->prefix_count), uniform(at->dependents), 0};
}
__device__ __forceinline__ int lane_index() { return threadIdx.x % kWarp; }
// The position of this lane in fragments (mma.cuh).
__device__ __forceinline__ int lane_group() { return lane_index() / 4; }
__device__ __forceinline__ int lane_member() { return lane_index() % 4; }

// For two bf16: adding one to the exponent carries into the sign bit exactly if all bits of the exponent are 1, that is, for infinities and
// NaN.
constexpr uint32_t kCarries = 0x80008000u;
__device__ __forceinline__ uint32_t add_to_exponents(uint32_t pair) { return (pair & 0x7F807F80u) + 0x00800080u; }
__device__ __forceinline__ bool is_finite_pair(uint32_t pair) { return (add_to_exponents(pair) & kCarries) == 0; }

// Sets elements of eight bf16 that are not finite to 0, and returns whether there were any.
__device__ __forceinline__ bool hide_not_finite(uint4* chunk) {
  const uint4 x = *chunk;
  if (is_finite_pair(x.x) && is_finite_pair(x.y) && is_finite_pair(x.z) && is_finite_pair(x.w)) return false;
  const auto kept = [](uint32_t pair) {
    return ((pair & 0x7F80u) != 0x7F80u ? pair & 0xFFFFu : 0u) | ((pair & 0x7F800000u) != 0x7F800000u ? pair & 0xFFFF0000u : 0u);
  };
  *chunk = make_uint4(kept(x.x), kept(x.y), kept(x.z), kept(x.w));
  return true;
}

// Rows of D bf16 in shared memory. The row number permutes the 16-byte chunks of a row, so that the same chunk of eight consecutive rows (a
// matrix of ldmatrix) uses every bank once. Columns from head_width on are 0.
template <int D>
struct SharedRows {
  static constexpr int kChunks = D / 8;
  static constexpr int kBlock = kChunks % 8 == 0 ? 8 : 4;  // chunks that are permuted among each other

  static __device__ __forceinline__ int at(int row, int chunk) {
    const int twist = kBlock == 8 ? row % 8 : row / 2 % 4;
    return row * D + (chunk ^ twist) * 8;
  }

  // Called by all threads: starts to copy COUNT rows, row i from tensor + offset(i). If offset(i) is negative, row i becomes 0.
  template <int COUNT, class Offset>
  static __device__ __forceinline__ void copy(bf16* rows, const void* tensor, int head_width, Offset offset) {
    static_assert(COUNT * kChunks % kMmaThreads == 0, "every thread has as many chunks");
    const bf16* const from = static_cast<const bf16*>(tensor);
    const int thread = computed_here(threadIdx.x);
#pragma unroll 2  // more would keep the addresses of all chunks in registers
    for (int i = 0; i < COUNT * kChunks / kMmaThreads; i++) {
      const int item = thread + i * kMmaThreads, row = item / kChunks, chunk = item % kChunks;
      const int64_t begin = offset(row);
      const bool exists = begin >= 0 && 8 * chunk < head_width;
      cp_async_16(rows + at(row, chunk), exists ? from + begin + 8 * chunk : from, exists);
    }
  }

  // Rows [row, row + 16), columns [d, d + 16), as an A fragment.
  static __device__ __forceinline__ void left(uint32_t (&a)[4], const bf16* rows, int row, int d, int lane) {
    ldmatrix_x4(a, rows + at(row + lane % 16, d / 8 + lane / 16));
  }
  // The transpose of the same as two B fragments: b[0] and b[1] of rows [row, row + 8), b[2] and b[3] of the next eight.
  static __device__ __forceinline__ void right_transposed(uint32_t (&b)[4], const bf16* rows, int row, int d, int lane) {
    ldmatrix_x4(b, rows + at(row + lane % 8 + lane / 16 * 8, d / 8 + lane / 8 % 2));
  }
  // The same, not transposed, as two B fragments: b[0] and b[1] of columns [d, d + 8), b[2] and b[3] of the next eight.
  static __device__ __forceinline__ void right(uint32_t (&b)[4], const bf16* rows, int row, int d, int lane) {
    ldmatrix_x4_trans(b, rows + at(row + lane % 16, d / 8 + lane / 16));
  }

  // Sets elements of COUNT rows that are not finite to 0, so that weight 0 times them is 0. All threads call it, after the previous use of
  // the rows, and all get whether there were such elements. If so, restore() adds them to the rows that see them.
  template <int COUNT>
  static __device__ __forceinline__ bool hide_not_finite(bf16* rows) {
    __syncthreads();
    bool found = false;
    for (int item = threadIdx.x; item < COUNT * kChunks; item += kMmaThreads) {
      if (attention::hide_not_finite(reinterpret_cast<uint4*>(rows + 8 * item))) found = true;
    }
    return __syncthreads_or(found);
  }
};

// A warp's part of a tile: ROW_TILES times 16 rows, COLUMNS columns, and DEPTH of the D elements of each accumulated row.
template <int D, int ROW_TILES, int COLUMNS, int DEPTH = D>
struct MmaTile {
  using Rows = SharedRows<D>;
  static constexpr int kRowTiles = ROW_TILES, kRowsPerWarp = 16 * ROW_TILES, kColumns = COLUMNS, kDepth = DEPTH;

  using Scores = float[ROW_TILES][COLUMNS / 8][4];
  using Weights = uint32_t[ROW_TILES][COLUMNS / 16][4];
  using Output = float[ROW_TILES][DEPTH / 8][4];
  using RowFloats = float[ROW_TILES][2];  // for rows row(m, 0) and row(m, 1)

  // The row within the warp's rows, and the column within the tile, of this thread's element [m][n][2 half + c].
  static __device__ __forceinline__ int row(int m, int half) { return 16 * m + 8 * half + lane_group(); }
  static __device__ __forceinline__ int column(int n, int c) { return 8 * n + 2 * lane_member() + c; }

  static __device__ __forceinline__ void scores(Scores& s, const bf16* rows, int first_row, const bf16* columns) {
    const int lane = computed_here(lane_index());
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++) {
#pragma unroll
      for (int n = 0; n < COLUMNS / 8; n++) s[m][n][0] = s[m][n][1] = s[m][n][2] = s[m][n][3] = 0;
    }
#pragma unroll 4  // more would keep fragments of many steps in registers
    for (int d = 0; d < D; d += 16) {
      uint32_t a[ROW_TILES][4];
#pragma unroll
      for (int m = 0; m < ROW_TILES; m++) Rows::left(a[m], rows, first_row + 16 * m, d, lane);
#pragma unroll
      for (int n = 0; n < COLUMNS / 8; n += 2) {
        uint32_t b[4];
        Rows::right_transposed(b, columns, 8 * n, d, lane);
#pragma unroll
        for (int m = 0; m < ROW_TILES; m++) {
          mma_m16n8k16(s[m][n], a[m], b[0], b[1]);
          mma_m16n8k16(s[m][n + 1], a[m], b[2], b[3]);
        }
      }
    }
  }

  // Lane by lane, the D fragments of two adjacent 16 x 8 products are one 16 x 16 A fragment.
  static __device__ __forceinline__ void to_weights(Weights& w, const Scores& s) {
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++) {
#pragma unroll
      for (int k = 0; k < COLUMNS / 16; k++) {
        w[m][k][0] = pack_pair<bf16>(s[m][2 * k][0], s[m][2 * k][1]);
        w[m][k][1] = pack_pair<bf16>(s[m][2 * k][2], s[m][2 * k][3]);
        w[m][k][2] = pack_pair<bf16>(s[m][2 * k + 1][0], s[m][2 * k + 1][1]);
        w[m][k][3] = pack_pair<bf16>(s[m][2 * k + 1][2], s[m][2 * k + 1][3]);
      }
    }
  }

  // o += weights columns, for elements [first_d, first_d + DEPTH) of each column.
  static __device__ __forceinline__ void accumulate(Output& o, const Weights& w, const bf16* columns, int first_d = 0) {
    const int lane = computed_here(lane_index());
#pragma unroll
    for (int k = 0; k < COLUMNS / 16; k++) {
#pragma unroll
      for (int d = 0; d < DEPTH / 8; d += 2) {
        uint32_t b[4];
        Rows::right(b, columns, 16 * k, first_d + 8 * d, lane);
#pragma unroll
        for (int m = 0; m < ROW_TILES; m++) {
          mma_m16n8k16(o[m][d], w[m][k], b[0], b[1]);
          mma_m16n8k16(o[m][d + 1], w[m][k], b[2], b[3]);
        }
      }
    }
  }

  // Undoes hide_not_finite(): reads the columns of the tile again from device memory, column c from tensor + offset(c), and skips it if
  // offset(c) is negative. Adds the elements that are not finite to the rows that see the column. This is rare, so it need not be fast.
  template <class Offset, class Seen>
  static __device__ __forceinline__ void restore(Output& o, const void* tensor, int head_width, Offset offset, Seen seen, int first_d = 0) {
#pragma unroll 1
    for (int column = 0; column < COLUMNS; column++) {
      const int64_t begin = offset(column);
      if (begin < 0) continue;
      bool sees[ROW_TILES][2];
#pragma unroll
      for (int m = 0; m < ROW_TILES; m++) {
        sees[m][0] = seen(row(m, 0), column);
        sees[m][1] = seen(row(m, 1), column);
      }
#pragma unroll
      for (int n = 0; n < DEPTH / 8; n++) {
        const int d = first_d + 8 * n + 2 * lane_member();
        if (d >= head_width) continue;
        const uint32_t pair = *reinterpret_cast<const uint32_t*>(static_cast<const bf16*>(tensor) + begin + d);
        if (is_finite_pair(pair)) continue;
        const float2 x = unpack_pair<bf16>(pair);
#pragma unroll
        for (int m = 0; m < ROW_TILES; m++) {
#pragma unroll
          for (int half = 0; half < 2; half++) {
            if (sees[m][half] && !isfinite(x.x)) o[m][n][2 * half] += x.x;
            if (sees[m][half] && !isfinite(x.y)) o[m][n][2 * half + 1] += x.y;
          }
        }
      }
    }
  }

  static __device__ __forceinline__ void clear(Output& o) {
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++) {
#pragma unroll
      for (int n = 0; n < DEPTH / 8; n++) o[m][n][0] = o[m][n][1] = o[m][n][2] = o[m][n][3] = 0;
    }
  }

  // Stores the warp's rows, each times its factor, to tensor + offset(row within the warp's rows). Rows with a negative offset are not
  // stored. The rows go through shared memory that no other warp uses any more, so that stores are coalesced.
  template <class Offset>
  static __device__ __forceinline__ void write(void* tensor, int head_width, const Output& o, const RowFloats& factor, bf16* rows,
                                               int first_row, int first_d, Offset offset) {
    __syncwarp();  // the rows have been read
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int to = first_row + row(m, half);
#pragma unroll
        for (int n = 0; n < DEPTH / 8; n++) {
          const uint32_t pair = pack_pair<bf16>(o[m][n][2 * half] * factor[m][half], o[m][n][2 * half + 1] * factor[m][half]);
          *reinterpret_cast<uint32_t*>(rows + Rows::at(to, first_d / 8 + n) + 2 * lane_member()) = pair;
        }
      }
    }
    __syncwarp();
    constexpr int kChunks = DEPTH / 8;
    for (int item = lane_index(); item < kRowsPerWarp * kChunks; item += kWarp) {
      const int row = item / kChunks, d = first_d + item % kChunks * 8;
      const int64_t begin = offset(row);
      if (begin < 0 || d >= head_width) continue;
      *reinterpret_cast<uint4*>(static_cast<bf16*>(tensor) + begin + d) =
          *reinterpret_cast<const uint4*>(rows + Rows::at(first_row + row, d / 8));
    }
    __syncwarp();
  }

  static __device__ __forceinline__ void scale(Output& o, const RowFloats& factor) {
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++) {
#pragma unroll
      for (int n = 0; n < DEPTH / 8; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) o[m][n][i] *= factor[m][i / 2];
      }
    }
  }

  static __device__ __forceinline__ void fill(RowFloats& x, float value) {
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++) x[m][0] = x[m][1] = value;
  }
};

// A block of query rows, and which keys the rows of this warp see. Tile is an MmaTile.
template <class Tile, class X, bool LIMITED, int WARPS = kMmaWarps>
struct MmaQueryBlock : QueryBlock<WARPS * Tile::kRowsPerWarp, X, LIMITED> {
  using Base = QueryBlock<WARPS * Tile::kRowsPerWarp, X, LIMITED>;
  static constexpr int kRows = WARPS * Tile::kRowsPerWarp;
  int warp_row;                                 // the warp's first row within the block
  int32_t first_row_sees_to, last_row_sees_to;  // the last keys that the warp's first and last row see; -1 if no row exists
  int32_t block_sees_to;                        // the last key that the block's first row sees

  // `position` are the remaining arguments of a constructor of QueryBlock.
  template <class... Position>
  __device__ __forceinline__ MmaQueryBlock(const X& x, const dpo4j_segment& segment, Position... position) : Base(x, segment, position...) {
    warp_row = warp_index() * Tile::kRowsPerWarp;
    if (this->empty()) return;
    block_sees_to = this->last_key(0);
    first_row_sees_to = this->last_key(warp_row);
    last_row_sees_to = this->exists(warp_row) ? this->last_key(warp_row + Tile::kRowsPerWarp - 1) : -1;
  }

  __device__ __forceinline__ MmaQueryBlock(const X& x, int32_t row_tiles)
      : MmaQueryBlock(x, read_segment(x.segments + blockIdx.x / row_tiles), row_tiles) {}

  // Whether some row of the warp sees some key of the tile, whose first key is `tile`; whether all rows of the warp see all its keys.
  __device__ __forceinline__ bool sees(int32_t tile) const {
    return tile <= last_row_sees_to && (!LIMITED || tile + Tile::kColumns > this->first_key(first_row_sees_to));
  }
  __device__ __forceinline__ bool sees_all(int32_t tile) const {
    return tile + Tile::kColumns - 1 <= first_row_sees_to && (!LIMITED || tile >= this->first_key(last_row_sees_to));
  }
  // Whether all rows of the block see all keys of the tile.
  __device__ __forceinline__ bool block_sees_all(int32_t tile) const {
    return tile + Tile::kColumns - 1 <= block_sees_to && (!LIMITED || tile >= this->first_key(this->key_end - 1));
  }

  __device__ __forceinline__ int64_t row_offset(int row, int64_t stride) const {
    return this->exists(row) ? this->queries.vector(this->first_row + row, stride, this->head_width) : -1;
  }
  __device__ __forceinline__ int64_t key_offset(int32_t key) const {
    return key < this->key_end ? this->keys.row(key) * this->x.shape.kv_stride + static_cast<int64_t>(this->kv_head) * this->head_width
                               : -1;
  }

  // Sets the score of a row to `hidden` if the row does not see the key.
  __device__ __forceinline__ void hide(typename Tile::Scores& s, int32_t tile, float hidden) const {
#pragma unroll
    for (int m = 0; m < Tile::kRowTiles; m++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int32_t last_key = this->last_key(warp_row + Tile::row(m, i / 2)), first_seen = this->first_key(last_key);
#pragma unroll
        for (int n = 0; n < Tile::kColumns / 8; n++) {
          const int32_t key = tile + Tile::column(n, i % 2);
          if (key > last_key || (LIMITED && key < first_seen)) s[m][n][i] = hidden;
        }
      }
    }
  }

  __device__ __forceinline__ void copy_rows(bf16* rows, const void* tensor, int64_t stride) const {
    Tile::Rows::template copy<kRows>(rows, tensor, this->head_width, [&](int row) { return row_offset(row, stride); });
  }
  __device__ __forceinline__ void copy_keys(bf16* columns, const void* tensor, int32_t first_key) const {
    Tile::Rows::template copy<Tile::kColumns>(columns, tensor, this->head_width,
                                              [&](int column) { return key_offset(first_key + column); });
  }
  __device__ __forceinline__ void restore_keys(typename Tile::Output& o, const void* tensor, int32_t tile) const {
    Tile::restore(
        o, tensor, this->head_width, [&](int column) { return key_offset(tile + column); },
        [&](int row, int column) {
          const int32_t last_key = this->last_key(warp_row + row);
          return tile + column <= last_key && (!LIMITED || tile + column >= this->first_key(last_key));
        });
  }
  // Stores the warp's rows to a tensor [queries, heads, head_width], through the block's rows in shared memory.
  __device__ __forceinline__ void write(void* tensor, int64_t stride, const typename Tile::Output& o,
                                        const typename Tile::RowFloats& factor, bf16* rows) const {
    Tile::write(tensor, this->head_width, o, factor, rows, warp_row, 0, [&](int row) { return row_offset(warp_row + row, stride); });
  }
};

// Calls f(Count<D>) with the min supported D that is at least head_width.
template <class F>
int with_mma_width(int64_t head_width, F f) {
  if (head_width <= 64) return f(Count<64>{});
  if (head_width <= 96) return f(Count<96>{});
  if (head_width <= 128) return f(Count<128>{});
  return f(Count<256>{});
}

}  // namespace dpo4j::cuda::attention
