// What all attention kernels share: which rows a block owns, and which keys they see. A block owns rows (queries, or keys for d_k and d_v)
// and walks over columns (keys, or queries) tile by tile. All arithmetic is two products of tiles:
//
//   scores       s[r][c] = sum over d of rows[r][d] columns[c][d]
//   accumulate   o[r][d] += sum over c of weights[r][c] columns[c][d]
//
// fp32 computes them on fp32 units (attention_fma.cuh), bf16 on tensor cores (attention_mma.cuh, mma.sync), on Hopper by WGMMA
// (attention_sm90a.cuh). The choice depends on dtype, head width and device, never on the rest of the batch.
//
// Heads that share a key head share a block: a row is one query and one head of the group.
#pragma once

#include "portable.cuh"

namespace dpo4j::cuda::attention {

constexpr float kLog2E = 1.44269504088896340736f, kLn2 = 0.69314718055994530942f;

// bf16: attention_forward_mma.cu, attention_backward_mma.cu.
int forward_mma(const Queue& queue, const AttentionForward& x);
int backward_mma(const Queue& queue, const AttentionBackward& x);

// bf16 of head widths 64 and 128 on Hopper: attention_forward_sm90a.cu, attention_backward_sm90a.cu.
bool has_forward_sm90a(const Queue& queue, int64_t head_width);
int forward_sm90a(const Queue& queue, const AttentionForward& x);
bool has_backward_sm90a(const Queue& queue, int64_t head_width);
int backward_sm90a(const Queue& queue, const AttentionBackward& x);
size_t backward_sm90a_workspace_bytes(int64_t query_rows, int64_t heads, int64_t head_width);

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

// The keys that a segment sees, numbered through its prefix and then its own. So a shared prefix and the same tokens stored in place give
// the same tiles and the same bits.
struct Keys {
  dpo4j_segment segment;
  __device__ __forceinline__ int64_t row(int32_t key) const {
    return key < segment.prefix_count ? segment.prefix_begin + static_cast<int64_t>(key)
                                      : segment.key_begin + static_cast<int64_t>(key - segment.prefix_count);
  }
  __device__ __forceinline__ int32_t last_seen_by(int32_t query) const { return segment.prefix_count + segment.key_offset + query; }
};

// The rows of a block: the tile_of_segment-th ROWS rows of a segment and key head. X is AttentionForward or AttentionBackward.
template <int ROWS, class X>
struct QueryBlock {
  const X& x;
  Queries queries;
  Keys keys;
  int32_t kv_head, head_width, first_row, row_end, key_end;

  __device__ __forceinline__ QueryBlock(const X& x, const dpo4j_segment& segment, int32_t group, int32_t kv_head, int32_t tile_of_segment)
      : x(x), queries{segment, group, kv_head * group}, keys{segment}, kv_head(kv_head) {
    head_width = static_cast<int32_t>(x.head_width);
    first_row = tile_of_segment * ROWS;
    row_end = first_row + ROWS < queries.count() ? first_row + ROWS : queries.count();
    key_end = keys.last_seen_by((row_end - 1) / group) + 1;
  }
  // From the block index in a grid [segments * row_tiles, kv_heads]; `segment` is x.segments[blockIdx.x / row_tiles]. The last tile sees
  // the most keys and starts first.
  __device__ __forceinline__ QueryBlock(const X& x, const dpo4j_segment& segment, int32_t row_tiles)
      : QueryBlock(x, segment, static_cast<int32_t>(x.heads / x.kv_heads), static_cast<int32_t>(blockIdx.y),
                   row_tiles - 1 - static_cast<int32_t>(blockIdx.x % row_tiles)) {}

  __device__ __forceinline__ bool empty() const { return first_row >= queries.count(); }
  // The row of the segment for a row of the tile. Tile rows beyond the end of the segment repeat its last row and are not written.
  __device__ __forceinline__ bool exists(int row) const { return first_row + row < row_end; }
  __device__ __forceinline__ int32_t row(int row) const { return exists(row) ? first_row + row : row_end - 1; }
  __device__ __forceinline__ int32_t last_key(int row_of_tile) const { return keys.last_seen_by(row(row_of_tile) / queries.group); }
};

}  // namespace dpo4j::cuda::attention
