// out = softmax(scale q k^T) v over the keys that each query sees (causal, grouped-query), lse = log of the denominator of the softmax. With a
// soft cap, the scores are cap tanh(scale q k^T / cap).
// Online softmax (Milakov and Gimelshein 2018): a tile of scores stays in the cache until its product with v. Scores of a whole row are
// never materialised. One exp per score. A task computes one tile of query rows of one segment and kv head, and reads the keys that they
// see once.
#include <math.h>

#include "attention_tiles.h"
#include "cpu.h"
#include "product.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

constexpr int64_t kRowProduct = 16;  // memory bounds a call in which so few rows share the keys

struct Tile {
  float q[kQueryRows * kMaxHeadWidth];  // times scale
  float out[kQueryRows * kMaxHeadWidth];
  float keys_transposed[kMaxHeadWidth * kKeys];
  float values[kKeys * kMaxHeadWidth];
  float scores[kQueryRows * kKeys];
  float maximum[kQueryRows];  // running maximum of scores
  float sum[kQueryRows];      // of exp(score - maximum)
};
static_assert(sizeof(Tile) <= kScratchBytes, "a tile fits a thread's scratch");

template <class T>
struct Task {
  const dpo4j_attention_forward_params& p;
  const dpo4j_segment& segment;
  HeadGroup heads;
  int64_t row_begin, rows;  // stacked rows
  int64_t fetched_heads;    // how many heads of a key to fetch into the cache before the first is used; 0 if they are there
  Tile& tile;

  int64_t stride() const { return padded(p.shape.head_width); }
  // A row of the tile sees the keys [first_visible(row), visible(row)).
  int64_t visible(int64_t row) const { return segment.prefix_count + segment.key_offset + heads.query_of(row_begin + row) + 1; }
  int64_t first_visible(int64_t row) const { return max(0, visible(row) - window_of(p.shape)); }
  // Those of `count` keys from `begin` on that a row sees.
  Range seen(int64_t row, int64_t begin, int64_t count) const {
    return {min(count, max(0, first_visible(row) - begin)), min(count, visible(row) - begin)};
  }

  const T* value_at(int64_t key) const {
    return static_cast<const T*>(p.v) + key_row(segment, key) * p.shape.kv_stride + heads.kv_head * p.shape.head_width;
  }
  // Values are read where they are if their rows are whole vectors and few rows read them. Otherwise a tile of them is copied.
  bool copies_values() const { return rows > kRowProduct || p.shape.head_width % kLanes != 0; }

  void load_queries() const;
  void load_keys(int64_t begin, int64_t count) const;
  void cap_scores(float* scores, int64_t count) const;
  float add_scores(int64_t row, Range keys) const;
  void add_values(int64_t first_row, int64_t end_row, int64_t key_begin, int64_t keys) const;
  void add_keys(int64_t begin, int64_t count) const;
  void store_rows() const;
  void run() const;
};

template <class T>
void Task<T>::load_queries() const {
  const T* q = static_cast<const T*>(p.q);
  for (int64_t row = 0; row < rows; row++) {
    pack_row(tile.q + row * stride(), q + heads.at(segment, row_begin + row, p.shape.q_stride), p.shape.head_width, p.shape.scale);
    each_vector(stride(), [&](int64_t i, auto lanes) { store(tile.out + row * stride() + i, all(0), lanes); });
    tile.maximum[row] = -kInfinity;
    tile.sum[row] = 0;
  }
}

template <class T>
void Task<T>::load_keys(int64_t begin, int64_t count) const {
  const T* k = static_cast<const T*>(p.k);
  const T* v = static_cast<const T*>(p.v);
  const auto offset = [&](int64_t j) { return key_row(segment, begin + j) * p.shape.kv_stride + heads.kv_head * p.shape.head_width; };
  const int64_t fetched = fetched_heads * p.shape.head_width;
  for (int64_t j = 0; j < count && fetched > 0; j++) fetch_row(k + offset(j), fetched);
  for (int64_t j = 0; j < count && fetched > 0; j++) fetch_row(v + offset(j), fetched);
  pack_columns<T>(tile.keys_transposed, count, p.shape.head_width, [&](int64_t j) { return k + offset(j); });
  for (int64_t j = 0; j < count && copies_values(); j++) pack_row(tile.values + j * stride(), v + offset(j), p.shape.head_width, 1);
}

// Turns scores into cap tanh(score / cap).
template <class T>
void Task<T>::cap_scores(float* scores, int64_t count) const {
  const float cap = p.shape.soft_cap, over_cap = 1 / cap;
  each_vector(count, [&](int64_t i, auto lanes) { store(scores + i, cap * tanh(load(scores + i, lanes) * over_cap), lanes); });
}

// Turns the scores of the keys that a row sees into exp(score - maximum). Returns the factor that rescales the earlier sums of the row.
template <class T>
float Task<T>::add_scores(int64_t row, Range keys) const {
  float* scores = tile.scores + row * kKeys + keys.begin;
  const int64_t count = keys.end - keys.begin;
  if (p.shape.soft_cap > 0) cap_scores(scores, count);
  const float here = maximum_over(count, [&](int64_t i, auto lanes) { return load(scores + i, lanes, -kInfinity); });
  const float before = tile.maximum[row];
  const float maximum = here > before ? here : before;
  const float sum = sum_over(count, [&](int64_t i, auto lanes) {
    const Floats e = exp(load(scores + i, lanes, -kInfinity) - maximum);
    store(scores + i, e, lanes);
    return e;
  });
  const float shrink = before == maximum ? 1 : exp(before - maximum);
  tile.maximum[row] = maximum;
  tile.sum[row] = tile.sum[row] * shrink + sum;
  return shrink;
}

// out += scores v. Keys that all rows of a block see are multiplied for the whole block, the others row by row. The value of a key that a
// row does not see may be anything, also NaN, so it is left out and not multiplied by 0.
template <class T>
void Task<T>::add_values(int64_t first_row, int64_t end_row, int64_t key_begin, int64_t keys) const {
  const bool last_row_sees_first = seen(end_row - 1, key_begin, keys).begin == 0;
  for (int64_t row = first_row; row < end_row;) {
    const bool all_see_all = last_row_sees_first && seen(row, key_begin, keys).end == keys;
    const int64_t block = all_see_all ? end_row - row : min(kTileRows, end_row - row);
    float* out = tile.out + row * stride();
    const Left scores = {tile.scores + row * kKeys, kKeys, 1};
    const auto multiply = [&](int64_t i, int64_t rows_at_once, Range range, const auto* values, int64_t values_stride) {
      product(out + i * stride(), stride(), scores.from(i, range.begin), values, values_stride, rows_at_once, stride(),
              range.end - range.begin, true);
    };
    const auto add = [&](int64_t i, int64_t rows_at_once, int64_t begin, int64_t end) {
      if (copies_values()) return multiply(i, rows_at_once, {begin, end}, tile.values + begin * stride(), stride());
      const int64_t own = min(end, max(begin, segment.prefix_count - key_begin));  // the first key that is not of the prefix
      if (begin < own) multiply(i, rows_at_once, {begin, own}, value_at(key_begin + begin), p.shape.kv_stride);
      if (own < end) multiply(i, rows_at_once, {own, end}, value_at(key_begin + own), p.shape.kv_stride);
    };
    in_order(
        block, [&](int64_t i) { return seen(row + i, key_begin, keys); },
        [&](int64_t i, int64_t begin, int64_t end) { add(i, 1, begin, end); },
        [&](int64_t begin, int64_t end) { add(0, block, begin, end); });
    row += block;
  }
}

template <class T>
void Task<T>::add_keys(int64_t begin, int64_t count) const {
  load_keys(begin, count);
  int64_t first_row = 0, end_row = rows;  // the rows that see a key of this tile
  while (visible(first_row) <= begin) first_row++;
  while (first_visible(end_row - 1) >= begin + count) end_row--;
  const int64_t score_columns = (count + kLanes - 1) / kLanes * kLanes;
  product(tile.scores + first_row * kKeys, kKeys, {tile.q + first_row * stride(), stride(), 1}, tile.keys_transposed, kKeys,
          end_row - first_row, score_columns, p.shape.head_width, false);
  for (int64_t row = first_row; row < end_row; row++) {
    const float shrink = add_scores(row, seen(row, begin, count));
    if (shrink == 1) continue;
    float* out = tile.out + row * stride();
    each_vector(stride(), [&](int64_t i, auto lanes) { store(out + i, load(out + i, lanes) * shrink, lanes); });
  }
  add_values(first_row, end_row, begin, count);
}

template <class T>
void Task<T>::store_rows() const {
  for (int64_t row = 0; row < rows; row++) {
    const int64_t query_row = segment.query_begin + heads.query_of(row_begin + row);
    p.lse[query_row * p.shape.heads + heads.head_of(row_begin + row)] =
        static_cast<float>(tile.maximum[row] + ::log(static_cast<double>(tile.sum[row])));
    T* out = static_cast<T*>(p.out) + heads.at(segment, row_begin + row, p.shape.out_stride);
    const float* sums = tile.out + row * stride();
    const float inverse = 1 / tile.sum[row];
    each_vector(p.shape.head_width, [&](int64_t i, auto lanes) { store(out + i, load(sums + i, lanes) * inverse, lanes); });
  }
}

template <class T>
void Task<T>::run() const {
  load_queries();
  const int64_t keys = visible(rows - 1);
  for (int64_t begin = first_visible(0) / kKeys * kKeys; begin < keys; begin += kKeys) add_keys(begin, min(kKeys, keys - begin));
  store_rows();
}

}  // namespace

namespace {

constexpr int64_t kManySegments = 16;

void run_head(const dpo4j_attention_forward_params& p, const dpo4j_segment& segment, int64_t kv_head, int64_t row_begin,
              int64_t fetched_heads, Tile& tile) {
  const int64_t group = p.shape.heads / p.shape.kv_heads;
  const int64_t rows = min(kQueryRows, segment.query_count * group - row_begin);
  if (rows <= 0) return;
  const HeadGroup heads = {kv_head, group, p.shape.head_width};
  with_storage(p.shape.dtype, [&](auto stored) { Task<decltype(stored)>{p, segment, heads, row_begin, rows, fetched_heads, tile}.run(); });
}

// With few queries, memory bounds the call. A key has its heads one after another. So if there are enough segments, a task computes all
// heads of consecutive segments, and fetches whole keys.
void run_segments(Threads& threads, const dpo4j_attention_forward_params& p) {
  constexpr int64_t kSegments = 4;  // of a task
  const int64_t heads = p.shape.kv_heads;
  parallel(threads, (p.segment_count + kSegments - 1) / kSegments, [&](int64_t task, void* scratch) {
    const int64_t end = min((task + 1) * kSegments, p.segment_count);
    for (int64_t s = task * kSegments; s < end; s++) {
      for (int64_t head = 0; head < heads; head++) run_head(p, p.segments[s], head, 0, head == 0 ? heads : 0, *static_cast<Tile*>(scratch));
    }
  });
}

}  // namespace

void run(Threads& threads, const dpo4j_attention_forward_params& p) {
  const int64_t stacked = p.max_queries * (p.shape.heads / p.shape.kv_heads);
  if (stacked <= kRowProduct && p.segment_count >= kManySegments) return run_segments(threads, p);
  const int64_t tiles = (stacked + kQueryRows - 1) / kQueryRows, parts = p.shape.kv_heads * tiles;
  parallel(threads, p.segment_count * parts, [&](int64_t task, void* scratch) {
    run_head(p, p.segments[task / parts], task / tiles % p.shape.kv_heads, task % tiles * kQueryRows, 0, *static_cast<Tile*>(scratch));
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
