// Shared by the kernels of attention_backward_sm90a.cu: parameters, workspace, which block owns which keys, and the order in which a block
// loops over the queries that see these keys.
#pragma once

#include <algorithm>

#include "attention_backward_ring.cuh"
#include "attention_sm90a.cuh"
#include "bulk_copy.cuh"
#include "ordered_semaphore.cuh"

namespace dpo4j::cuda::attention_backward {

using attention::bf16;

constexpr int kConsumers = 2, kConsumerWarps = kConsumers * kWarpsOfGroup;
constexpr int kThreads = kWarpgroup * (1 + kConsumers);
constexpr int kKeys = kConsumers * kProductRows;  // per block: 64 per consumer
constexpr int kStages = 2;
static_assert(kKeys == kPlacedRows, "tiles of queries have places as tiles of keys have turns");

// Queries of a tile. Registers limit them: a consumer holds scores and their gradients, 64 keys x 64 queries, beside d_k and d_v of 64
// keys. At head width 64, d_k and d_v are half as wide, and 64 x 128 fit.
template <int D>
constexpr int kQueries = D == 128 ? 64 : 128;

// Whether a kernel computes soft caps. At head width 64 with its longer tiles of queries, the registers do not suffice for them, and
// attention_backward_mma.cu computes them.
template <int D, bool LIMITED>
constexpr bool kHasSoftCap = LIMITED && D == 128;

// Written by the first kernel, except that blocks of the second count their tickets.
struct Work {
  uint32_t tiles, heads_together;  // tiles of keys per key head; key heads in flight at a time, a divisor of kv_heads
  uint32_t rows;                   // queries of all segments
  uint32_t tickets;
};

// The workspace. Arrays [heads, query_rows] are so, because then the rows of a tile are contiguous.
struct Workspace {
  float* d_q;           // [rows of the ring, head_width]: sums, columns in the order of Fragment
  float2* statistics;   // [heads, query_rows]: lse in base 2 and delta
  TilePlace* places;    // one per kKeys queries of a segment, stored at their first row
  uint32_t* turns;      // one per tile of queries, stored at its first query: how many tiles of keys have been added to its d_q
  uint32_t* tiles;      // at most query_rows entries: tiles of keys in the order of tickets, as tile * segment_count + segment
  uint32_t* completed;  // one per part of the positions: how many of them are complete
  Work* work;

  // The last tile of the ring may end kKeys rows behind it, instead of beginning at row 0 again.
  static size_t bytes(const RingSize& ring, int64_t query_rows, const dpo4j_attention_shape& shape) {
    return (ring.rows + kKeys) * shape.head_width * sizeof(float) + query_rows * shape.heads * (sizeof(float2) + sizeof(uint32_t)) +
           query_rows * (sizeof(TilePlace) + sizeof(uint32_t)) + kParts * shape.kv_heads * sizeof(uint32_t) + sizeof(Work);
  }
  Workspace(void* at, const RingSize& ring, int64_t query_rows, const dpo4j_attention_shape& shape) {
    d_q = static_cast<float*>(at);
    statistics = reinterpret_cast<float2*>(d_q + (ring.rows + kKeys) * shape.head_width);
    places = reinterpret_cast<TilePlace*>(statistics + query_rows * shape.heads);
    turns = reinterpret_cast<uint32_t*>(places + query_rows);
    tiles = turns + query_rows * shape.heads;
    completed = tiles + query_rows;
    work = reinterpret_cast<Work*>(completed + kParts * shape.kv_heads);
  }
};

// Longer than any sequence, and short enough for sums of it and positions.
constexpr int32_t kNoWindow = 1 << 30;

// Parameters of a launch. Fields have 32 bits if these suffice, because registers are scarce.
struct Problem {
  Workspace workspace;
  void *d_q, *d_k, *d_v;
  const dpo4j_segment* segments;
  int64_t query_rows, q_stride, kv_stride;
  int32_t segment_count, key_tiles, kv_heads, group;  // key_tiles: of the longest segment
  int32_t heads_in_flight, at_once;                   // max key heads in flight; how many blocks should be able to start at once
  uint32_t ring_rows;                                 // of d_q's sums
  int32_t window;                                     // a query sees a key if its distance to it is shorter; kNoWindow: always
  float scale, soft_cap;                              // soft_cap is 0 if there is none

  // An upper bound for the number of tiles of keys in all segments.
  int64_t max_tiles() const { return std::min(query_rows, query_rows / kKeys + segment_count); }
  // Whether a row of the ring can serve several positions.
  __device__ __forceinline__ bool has_fewer_rows() const { return ring_rows < query_rows * (int64_t{kv_heads} * group); }
};

struct Maps {
  TileMap q, d_out, k, v;
};

// The keys of a block.
struct KeyTile {
  int32_t segment, head;
  int32_t row, first, count;  // the first key's row in k and v; its index in the segment; how many keys exist: 0 if the ticket has no work
  uint32_t turn;  // its number among the tiles of keys, prefix first: the turn in which it adds to a d_q that it sees from key 0
  HeadPositions positions;

  KeyTile() = default;
  __device__ __forceinline__ KeyTile(const Problem& problem, uint32_t ticket) : count(0) {
    const Work& work = *problem.workspace.work;
    if (ticket >= work.tiles * problem.kv_heads) return;
    const uint32_t group_tickets = work.tiles * work.heads_together,
                   listed = problem.workspace.tiles[ticket % group_tickets / work.heads_together];
    const int32_t tile = listed / problem.segment_count;
    segment = listed % problem.segment_count;
    head = ticket / group_tickets * work.heads_together + ticket % work.heads_together;
    const dpo4j_segment& owner = problem.segments[segment];
    first = tile * kKeys;
    row = owner.key_begin + first;
    count = min(owner.query_count - first, kKeys);
    turn = (owner.prefix_count + kKeys - 1) / kKeys + tile;
    const uint32_t heads = work.heads_together * problem.group, positions_in_flight = work.rows * heads;
    positions.begin = ticket / group_tickets * positions_in_flight;
    positions.ring_begin = positions.begin % problem.ring_rows;
    positions.heads = heads;
    positions.first_head = ticket % work.heads_together * problem.group;
    positions.part = (positions_in_flight + kParts - 1) / kParts;
  }
};

// Iterates over the tiles of queries that see a tile of keys, from last to first: those of dependent segments, then those of the keys' own
// segment down to the first key, each for all heads of the group. The block with the next turn iterates over the beginning of the same
// sequence. With a window, each segment's sequence begins with the last tile of which some query sees the last of the keys.
template <int QUERIES, bool LIMITED>
struct QueryTileIterator {
  const Problem& problem;
  const KeyTile& keys;
  int32_t segment;
  int32_t row, first, count, head;  // the tile's first query in q, and in its segment; how many queries exist; head within the group

  __device__ __forceinline__ QueryTileIterator(const Problem& problem, const KeyTile& keys)
      : problem(problem),
        keys(keys),
        segment(keys.segment + problem.segments[keys.segment].dependents + 1),
        row(0),
        first(0),
        count(0),
        head(0) {
    next_segment();
  }

  __device__ __forceinline__ bool is_valid() const { return segment >= keys.segment; }
  __device__ __forceinline__ bool is_own() const { return segment == keys.segment; }
  // Whether some query of the tile does not see every key up to the end of the tile of keys.
  __device__ __forceinline__ bool is_diagonal() const { return is_own() && first < keys.first + kKeys; }
  __device__ __forceinline__ int32_t query_head() const { return keys.head * problem.group + head; }
  // The number of keys between the first key of the keys' segment and the first query of the tile's segment.
  __device__ __forceinline__ int32_t keys_before() const { return is_own() ? 0 : problem.segments[segment].prefix_count; }
  // Query i of the tile sees keys from i + 1 - end_seeing() of the tile on.
  __device__ __forceinline__ int32_t end_seeing() const { return problem.window + keys.first - first - keys_before(); }
  // The turn in which these keys add to d_q: their number among the tiles of keys that some query of the tile sees.
  __device__ __forceinline__ uint32_t turn() const {
    if (!LIMITED) return keys.turn;
    const int32_t prefix = problem.segments[segment].prefix_count, first_key = max(0, prefix + first - problem.window + 1);
    return keys.turn - (first_key < prefix ? first_key / kKeys : (prefix + kKeys - 1) / kKeys + (first_key - prefix) / kKeys);
  }
  // Position of the tile's first row of sums among those of the heads in flight.
  __device__ __forceinline__ uint32_t position() const {
    const int32_t within = first % kKeys;
    const TilePlace place = problem.workspace.places[row - within];
    return place.before * keys.positions.heads + (keys.positions.first_head + head) * place.rows + within;
  }
  // The row of the ring.
  __device__ __forceinline__ uint32_t ring_row(uint32_t position) const {
    const uint32_t row = keys.positions.ring_begin + position;
    return row < problem.ring_rows ? row : row - problem.ring_rows;
  }
  // Index of the tile's first query in an array [heads, query_rows].
  __device__ __forceinline__ int64_t row_index() const { return query_head() * problem.query_rows + row; }
  __device__ __forceinline__ void advance() {
    if (++head < problem.group) return;
    head = 0;
    count = QUERIES;
    row -= QUERIES;
    first -= QUERIES;
    if (first < (is_own() ? keys.first : 0)) next_segment();
  }

 private:
  // The queries of the segment up to the last one that sees the last of the keys.
  __device__ __forceinline__ int32_t seeing_queries() const {
    const int32_t queries = problem.segments[segment].query_count;
    return LIMITED ? max(0, min(queries, keys.first + keys.count - 1 + problem.window - keys_before())) : queries;
  }
  __device__ __forceinline__ void next_segment() {
    int32_t queries = 0;
    while (queries == 0 && --segment >= keys.segment) queries = seeing_queries();
    if (!is_valid()) return;
    first = (queries - 1) / QUERIES * QUERIES;
    row = problem.segments[segment].query_begin + first;
    count = LIMITED ? min(QUERIES, problem.segments[segment].query_count - first) : queries - first;
    head = 0;
  }
};

// Describes a tile of queries. The producer writes it for the consumers.
struct Step {
  int32_t row, count, head;
  int32_t first_seeing;   // query i sees the keys up to i - first_seeing of the tile; far below 0 if all queries see all keys
  int32_t end_seeing;     // and those from i + 1 - end_seeing on; only if there is a window or a soft cap
  bool is_diagonal;       // the last tile of keys for these queries: d_q is complete after it
  uint8_t turn_parity;    // of a diagonal step: the parity of its phase of `turn`
  bool is_first;          // the first tile of keys for these queries: d_q has no sums yet
  bool has_masked_pairs;  // some pair of query and key does not exist or is masked
  bool is_last;
};

constexpr int32_t kAllSee = -(1 << 20);

// The rows and columns of a D fragment (wgmma.cuh) that this thread holds.
struct Fragment {
  int warp, group, member;  // warp in the warpgroup, group of four lanes, lane in that group
  __device__ __forceinline__ explicit Fragment(uint32_t thread)
      : warp(thread % kWarpgroup / kWarp), group(thread % kWarp / 4), member(thread % 4) {}
  __device__ __forceinline__ int row(int i) const { return 16 * warp + group + 8 * i; }
  __device__ __forceinline__ int column(int j) const { return 8 * j + 2 * member; }
  // Where four elements of a thread are in a row of 64 columns of d_q's sums: columns column(2 jj), column(2 jj) + 1, column(2 jj + 1) and
  // column(2 jj + 1) + 1. Sums permute columns, in shared memory and in the workspace alike, so that these four are 16 contiguous bytes, and
  // those of four lanes 64. In odd rows the halves of 128 bytes are swapped: the eight lanes that store together use all banks.
  __device__ __forceinline__ int quad(int jj) const { return 16 * (jj ^ group % 2) + 4 * member; }
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
  Barrier d_q[kStages];       // both consumers have written d_q to shared memory
  Barrier d_q_read;           // the bulk copy has read it
  Barrier turn, added;        // of diagonal steps. turn: d_q has the sums of all other blocks; added: the consumers have read them
  uint32_t ring_row;          // of the diagonal step that has the turn: the first row of its sums
  Step steps[kStages];
  alignas(float2) float lse[kStages][kQueries<D>], delta[kStages][kQueries<D>];  // consumers read two at a time
  KeyTile keys;
  uint32_t diagonal_steps;   // written by the warp that describes steps: how many it has described
  float poison[kKeys];       // NaN for a key that is not finite, otherwise 0
  uint32_t has_masked_keys;  // some key is not finite, or does not exist
};

// Tiles in dynamic shared memory, from its first aligned address.
template <int D>
struct Tiles {
  using Keys = attention::WarpgroupRows<D, kKeys>;
  using Queries = attention::WarpgroupRows<D, kQueries<D>>;
  using Scores = attention::WarpgroupRows<kQueries<D>, kKeys>;  // transposed: rows are keys
  static constexpr size_t kBytes =
      kTileAlignment + 2 * Keys::kBytes + kStages * (2 * Queries::kBytes + Scores::kBytes) + kQueries<D> * D * sizeof(float);

  unsigned char* begin;
  __device__ unsigned char* k() const { return begin; }
  __device__ unsigned char* v() const { return begin + Keys::kBytes; }
  __device__ unsigned char* q(int stage) const { return begin + 2 * Keys::kBytes + stage * 2 * Queries::kBytes; }
  __device__ unsigned char* d_out(int stage) const { return q(stage) + Queries::kBytes; }
  __device__ unsigned char* d_scores(int stage) const { return q(kStages) + stage * Scores::kBytes; }
  __device__ float* d_q() const { return reinterpret_cast<float*>(d_scores(kStages)); }  // [queries, D], columns in the order of Fragment
};

static_assert(Tiles<128>::kBytes + sizeof(Shared<128>) <= 227 << 10 && Tiles<64>::kBytes + sizeof(Shared<64>) <= 227 << 10,
              "the shared memory of a block");

}  // namespace dpo4j::cuda::attention_backward
