// What the kernels of attention_backward_sm90a.cu share: parameters, workspace, which block owns which keys, and the order in which a block
// walks over the queries that see them.
#pragma once

#include <algorithm>

#include "attention_sm90a.cuh"
#include "turns.cuh"

namespace dpo4j::cuda::attention_backward {

using attention::bf16;
using attention::kWarpgroup;
using attention::kWarpsOfGroup;

constexpr int kConsumers = 2, kConsumerWarps = kConsumers * kWarpsOfGroup;
constexpr int kThreads = kWarpgroup * (1 + kConsumers);
constexpr int kKeys = kConsumers * kProductRows;  // per block: 64 per consumer
constexpr int kStages = 2;

// Limited by registers: 64 x 64 scores and their gradients beside d_k and d_v of 64 keys, or 64 x 128 if those are half as wide.
template <int D>
constexpr int kQueries = D == 128 ? 64 : 128;

// The list of tiles, and how many have been taken.
struct Work {
  uint32_t tiles, heads_together;  // tiles of keys per head; heads in flight at a time, a divisor of all heads
  uint32_t tickets;
};

// The workspace. Arrays are [heads, query_rows], so that the rows of a tile are contiguous.
struct Workspace {
  float* d_q;          // [heads, query_rows, head_width]: partial sums, columns in the order of Fragment
  float2* statistics;  // lse in base 2 and delta
  uint32_t* turns;     // one per tile of queries, at its first query: how many tiles of keys have been added to its d_q
  uint32_t* tiles;     // at most query_rows entries: tiles of keys in the order of tickets, as tile * segment_count + segment
  Work* work;

  static size_t bytes(int64_t query_rows, int64_t heads, int64_t head_width) {
    return query_rows * heads * (head_width * sizeof(float) + sizeof(float2) + sizeof(uint32_t)) + query_rows * sizeof(uint32_t) +
           sizeof(Work);
  }
  Workspace(void* at, int64_t query_rows, int64_t heads, int64_t head_width) {
    const int64_t rows = query_rows * heads;
    d_q = static_cast<float*>(at);
    statistics = reinterpret_cast<float2*>(d_q + rows * head_width);
    turns = reinterpret_cast<uint32_t*>(statistics + rows);
    tiles = turns + rows;
    work = reinterpret_cast<Work*>(tiles + query_rows);
  }
};

// Parameters of a launch. 32 bits where they suffice, because registers are scarce.
struct Problem {
  Workspace workspace;
  void *d_q, *d_k, *d_v;
  const dpo4j_segment* segments;
  int64_t query_rows, q_stride, kv_stride;
  int32_t segment_count, key_tiles, kv_heads, group;  // key_tiles is that of the longest segment
  float scale;

  // Upper bound of the number of tiles of keys in all segments.
  int64_t most_tiles() const { return std::min(query_rows, query_rows / kKeys + segment_count); }
};

struct Maps {
  TileMap q, d_out, k, v;
};

// The keys of a block.
struct KeyTile {
  int32_t segment, head;
  int32_t row, first, count;  // in k and v; in the segment; how many keys of the tile exist, 0 if the ticket has no work
  uint32_t turn;              // the turn in which this tile adds to each d_q

  KeyTile() = default;
  __device__ __forceinline__ KeyTile(const Problem& problem, uint32_t ticket) : count(0) {
    const Work& work = *problem.workspace.work;
    if (ticket >= work.tiles * problem.kv_heads) return;
    const uint32_t of_heads = work.tiles * work.heads_together, listed = problem.workspace.tiles[ticket % of_heads / work.heads_together];
    const int32_t tile = listed / problem.segment_count;
    segment = listed % problem.segment_count;
    head = ticket / of_heads * work.heads_together + ticket % work.heads_together;
    const dpo4j_segment& of = problem.segments[segment];
    first = tile * kKeys;
    row = of.key_begin + first;
    count = min(of.query_count - first, kKeys);
    turn = (of.prefix_count + kKeys - 1) / kKeys + tile;
  }
};

// The tiles of queries that see a tile of keys, from last to first: those of dependent segments, then the segment's own from the first key
// on, each for all heads of the group. The block with the next turn walks over a prefix of the same list.
template <int QUERIES>
struct Walk {
  const Problem& problem;
  const KeyTile& keys;
  int32_t segment;
  int32_t row, first, count, head;  // the tile's first query in q, and in its segment; how many queries exist; head within the group

  __device__ __forceinline__ Walk(const Problem& problem, const KeyTile& keys)
      : problem(problem), keys(keys), segment(keys.segment + problem.segments[keys.segment].dependents + 1) {
    next_segment();
  }

  __device__ __forceinline__ bool valid() const { return segment >= keys.segment; }
  __device__ __forceinline__ bool own() const { return segment == keys.segment; }
  // Of queries that do not see every key before the end of the tile.
  __device__ __forceinline__ bool diagonal() const { return own() && first < keys.first + kKeys; }
  __device__ __forceinline__ int32_t query_head() const { return keys.head * problem.group + head; }
  // Index of the tile's first query in an array [heads, query_rows].
  __device__ __forceinline__ int64_t place() const { return query_head() * problem.query_rows + row; }
  __device__ __forceinline__ void advance() {
    if (++head < problem.group) return;
    head = 0;
    count = QUERIES;
    row -= QUERIES;
    first -= QUERIES;
    if (first < (own() ? keys.first : 0)) next_segment();
  }

 private:
  __device__ __forceinline__ void next_segment() {
    int32_t queries = 0;
    while (queries == 0 && --segment >= keys.segment) queries = problem.segments[segment].query_count;
    if (!valid()) return;
    first = (queries - 1) / QUERIES * QUERIES;
    row = problem.segments[segment].query_begin + first;
    count = queries - first;
    head = 0;
  }
};

// What the producer tells the consumers about a tile of queries.
struct Step {
  int32_t row, count, head;
  int32_t first_seeing;  // the query that sees the tile's first key, as the next sees the next key; far below 0 if all see all
  bool diagonal;         // the last tile of keys for these queries: d_q is complete after it
  bool partly;           // some pair of the tile does not exist or is not visible
  bool last;
};

constexpr int32_t kAllSee = -(1 << 20);

// The rows and columns of a D fragment (wgmma.cuh) that this thread holds.
struct Fragment {
  int warp, group, member;  // warp in the warpgroup, group of four lanes, lane in that group
  __device__ __forceinline__ Fragment() : warp(threadIdx.x % kWarpgroup / kWarp), group(threadIdx.x % kWarp / 4), member(threadIdx.x % 4) {}
  __device__ __forceinline__ int row(int i) const { return 16 * warp + group + 8 * i; }
  __device__ __forceinline__ int column(int j) const { return 8 * j + 2 * member; }
  // The workspace permutes the 64 columns of a row, so that four elements of a thread (columns column(2 jj), column(2 jj) + 1, column(2 jj
  // + 1) and column(2 jj + 1) + 1) are 16 contiguous bytes, and those of four lanes 64.
  __device__ __forceinline__ int quad(int jj) const { return 16 * jj + 4 * member; }
};

// ---- shared memory ---------------------------------------------------------------------------------------------------------------------

// Step t uses stage t % 2, in phase t / 2 of its barriers.
__device__ __forceinline__ uint32_t phase(uint32_t step) { return step / kStages % 2; }

template <int D>
struct Shared {
  Barrier keys_landed, keys_ready;
  Barrier landed[kStages];    // TMA has loaded q and d_out
  Barrier ready[kStages];     // rows that are not finite are 0; the step's mask, lse and delta are written
  Barrier empty[kStages];     // the consumers no longer read the stage
  Barrier d_scores[kStages];  // both consumers have written d_s
  Barrier turn, added;        // turn: d_q may be added to; added: all threads have added
  Step steps[kStages];
  float lse[kStages][kQueries<D>], delta[kStages][kQueries<D>];
  KeyTile keys;
  float poison[kKeys];  // NaN for a key that is not finite, otherwise 0
  uint32_t partly;      // some key is not finite, or does not exist
};

// Tiles in dynamic shared memory, from its first aligned address.
template <int D>
struct Tiles {
  using Keys = attention::WarpgroupRows<D, kKeys>;
  using Queries = attention::WarpgroupRows<D, kQueries<D>>;
  using Scores = attention::WarpgroupRows<kQueries<D>, kKeys>;  // transposed: rows are keys
  static constexpr size_t kBytes = kTileAlignment + 2 * Keys::kBytes + kStages * (2 * Queries::kBytes + Scores::kBytes);

  unsigned char* begin;
  __device__ unsigned char* k() const { return begin; }
  __device__ unsigned char* v() const { return begin + Keys::kBytes; }
  __device__ unsigned char* q(int stage) const { return begin + 2 * Keys::kBytes + stage * 2 * Queries::kBytes; }
  __device__ unsigned char* d_out(int stage) const { return q(stage) + Queries::kBytes; }
  __device__ unsigned char* d_scores(int stage) const { return q(kStages) + stage * Scores::kBytes; }
};

static_assert(Tiles<128>::kBytes + sizeof(Shared<128>) <= 227 << 10 && Tiles<64>::kBytes + sizeof(Shared<64>) <= 227 << 10,
              "the shared memory of a block");

}  // namespace dpo4j::cuda::attention_backward
