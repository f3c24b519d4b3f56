// Shared by all attention kernels: which rows a block owns, and which keys these rows see. A row is a query and a column is a key, except
// in kernels that compute d_k and d_v: there a row is a key and a column is a query. A block owns a tile of rows and loops over the columns
// tile by tile. All matrix arithmetic is two products of tiles:
//
//   scores       s[r][c] = sum over d of rows[r][d] columns[c][d]
//   accumulate   o[r][d] += sum over c of weights[r][c] columns[c][d]
//
// fp32 kernels compute them on fp32 units (attention_fma.cuh). bf16 kernels use tensor cores: mma.sync (attention_mma.cuh), or WGMMA on
// Hopper (attention_sm90a.cuh). Which kernel runs depends on dtype, head width and device, never on the batch.
//
// The query heads that share a key head form a group and share blocks: a query row is one query and one head of the group.
//
// Kernels are compiled twice. LIMITED kernels also know a window and a soft cap; in the others the compiler removes all code for them. With a
// window, blocks skip the tiles of which none of their rows sees a column, and rows see only some columns of the tiles at the window's edge.
// The score of a hidden pair is -infinity, so a row whose keys of a tile are all hidden keeps its sums. So its bits do not depend on the rows
// beside it.
#pragma once

#include <type_traits>

#include "math.cuh"

namespace dpo4j::cuda::attention {

// bf16: attention_forward_mma.cu, attention_backward_mma.cu.
int forward_mma(const LaunchContext& context, const dpo4j_attention_forward_params& x);
int backward_mma(const LaunchContext& context, const dpo4j_attention_backward_params& x);

// bf16 on Hopper, head widths 64 and 128: attention_forward_sm90a.cu, attention_backward_sm90a.cu.
bool has_forward_sm90a(const LaunchContext& context, int64_t head_width);
int forward_sm90a(const LaunchContext& context, const dpo4j_attention_forward_params& x);
bool has_backward_sm90a(const LaunchContext& context, const dpo4j_attention_shape& shape);
int backward_sm90a(const LaunchContext& context, const dpo4j_attention_backward_params& x);
size_t backward_sm90a_workspace_bytes(const LaunchContext& context, int64_t query_rows, const dpo4j_attention_shape& shape);

// Calls f(std::true_type) if the shape has a window or a soft cap, otherwise f(std::false_type).
template <class F>
int with_limits(const dpo4j_attention_shape& shape, F f) {
  return shape.window > 0 || shape.soft_cap > 0 ? f(std::true_type{}) : f(std::false_type{});
}

// The first key that a query sees, if last_key is its last one.
template <bool LIMITED>
__device__ __forceinline__ int32_t first_seen(const dpo4j_attention_shape& shape, int32_t last_key) {
  if (!LIMITED || shape.window == 0 || last_key < shape.window) return 0;
  return last_key - shape.window + 1;
}

// Turns products q.k into scores, in base 2: by a factor, or by the soft cap.
struct SoftCap {
  float cap, over_cap;  // score = cap tanh(product over_cap); cap is 0 if there is none
  __device__ __forceinline__ explicit SoftCap(const dpo4j_attention_shape& shape) : SoftCap(shape.scale, shape.soft_cap) {}
  __device__ __forceinline__ SoftCap(float scale, float soft_cap) : cap(soft_cap * kLog2E), over_cap(quotient(scale, soft_cap)) {}
  __device__ __forceinline__ bool exists() const { return cap > 0; }
};

// The query rows of one segment and one group of heads. Row r is query r / group, head first_head + r % group.
struct Queries {
  dpo4j_segment segment;
  int32_t group, first_head;
  __device__ __forceinline__ int32_t count() const { return segment.query_count * group; }
  __device__ __forceinline__ int64_t query(int32_t r) const { return segment.query_begin + static_cast<int64_t>(r / group); }
  __device__ __forceinline__ int64_t head(int32_t r) const { return first_head + r % group; }
  // The offset of row r in a tensor [queries, heads, head_width], and in one of [queries, heads].
  __device__ __forceinline__ int64_t vector(int32_t r, int64_t stride, int64_t head_width) const {
    return query(r) * stride + head(r) * head_width;
  }
  __device__ __forceinline__ int64_t scalar(int32_t r, int64_t heads) const { return query(r) * heads + head(r); }
};

// The keys that a segment sees: first those of its prefix, then its own, numbered as one list. So a sequence gives the same tiles and the
// same bits whether its prefix is shared or stored in the sequence.
struct Keys {
  dpo4j_segment segment;
  __device__ __forceinline__ int64_t row(int32_t key) const {
    return key < segment.prefix_count ? segment.prefix_begin + static_cast<int64_t>(key)
                                      : segment.key_begin + static_cast<int64_t>(key - segment.prefix_count);
  }
  __device__ __forceinline__ int32_t last_seen_by(int32_t query) const { return segment.prefix_count + segment.key_offset + query; }
};

// The query rows of a block: tile number `tile_of_segment`, of ROWS rows, of one segment and key head. X is dpo4j_attention_forward_params
// or dpo4j_attention_backward_params.
template <int ROWS, class X, bool LIMITED>
struct QueryBlock {
  const X& x;
  Queries queries;
  Keys keys;
  int32_t kv_head, head_width, first_row, row_end, key_end;

  __device__ __forceinline__ QueryBlock(const X& x, const dpo4j_segment& segment, int32_t group, int32_t kv_head, int32_t tile_of_segment)
      : x(x), queries{segment, group, kv_head * group}, keys{segment}, kv_head(kv_head) {
    head_width = static_cast<int32_t>(x.shape.head_width);
    first_row = tile_of_segment * ROWS;
    row_end = first_row + ROWS < queries.count() ? first_row + ROWS : queries.count();
    key_end = keys.last_seen_by((row_end - 1) / group) + 1;
  }
  // Reads the tile from the block index in a grid [segments * row_tiles, kv_heads]; `segment` is x.segments[blockIdx.x / row_tiles]. The
  // last tile of a segment sees the max number of keys, so it starts first.
  __device__ __forceinline__ QueryBlock(const X& x, const dpo4j_segment& segment, int32_t row_tiles)
      : QueryBlock(x, segment, static_cast<int32_t>(x.shape.heads / x.shape.kv_heads), static_cast<int32_t>(blockIdx.y),
                   row_tiles - 1 - static_cast<int32_t>(blockIdx.x % row_tiles)) {}

  __device__ __forceinline__ bool empty() const { return first_row >= queries.count(); }
  // exists() tells whether a row of the tile is a row of the segment, and row() which one. For a tile row beyond the end of the segment,
  // row() is the segment's last row, and its results are not written.
  __device__ __forceinline__ bool exists(int row) const { return first_row + row < row_end; }
  __device__ __forceinline__ int32_t row(int row) const { return exists(row) ? first_row + row : row_end - 1; }
  __device__ __forceinline__ int32_t last_key(int row_of_tile) const { return keys.last_seen_by(row(row_of_tile) / queries.group); }
  // The first key that a row sees whose last key is last_key.
  __device__ __forceinline__ int32_t first_key(int32_t last_key) const { return first_seen<LIMITED>(x.shape, last_key); }
  // The first key of the first tile of COLUMNS keys of which some row sees a key.
  template <int COLUMNS>
  __device__ __forceinline__ int32_t first_tile() const {
    return LIMITED ? first_key(last_key(0)) / COLUMNS * COLUMNS : 0;
  }
};

}  // namespace dpo4j::cuda::attention
