// With P = exp(scale q k^T - lse) and D = sum over a row of d_out * out:
//   d_v = P^T d_out,  d_s = P (d_out v^T - D),  d_q = scale d_s k,  d_k = scale d_s^T q   (Dao et al. 2022, algorithm 4)
//
// With a soft cap, P is that of the scores s = cap tanh(scale q k^T / cap), and d_s is multiplied by the slope 1 - (s / cap)^2.
// P is recomputed tile by tile, one exp per element. Only a tile of P and of d_s is in memory at a time. The workspace holds D, and the fp32 sums of d_q if it is bf16. A task is
// one segment without prefix, its dependents (the segments whose prefix it is), and one kv head. So all terms of the same d_k, d_v or d_q
// are in one task. They are added in a fixed order: by tile of keys, and for each tile, by the segment of the queries.
#include "attention_tiles.h"
#include "cpu.h"
#include "product.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

struct Tile {
  float q[kQueryRows * kMaxHeadWidth];  // times scale
  float d_out[kQueryRows * kMaxHeadWidth];
  float d_q[kQueryRows * kMaxHeadWidth];
  float keys[kKeys * kMaxHeadWidth];
  float keys_transposed[kMaxHeadWidth * kKeys];
  float values_transposed[kMaxHeadWidth * kKeys];
  float d_keys[kKeys * kMaxHeadWidth];
  float d_values[kKeys * kMaxHeadWidth];
  float p[kQueryRows * kKeys];
  float d_s[kQueryRows * kKeys];
};
static_assert(sizeof(Tile) <= kScratchBytes, "a tile fits a thread's scratch");

// Which keys of a tile the query rows of one segment (the reader) see. Row r sees the keys range(r), and key j is seen by the rows rows(j).
// The query of row r sees the first r / group + first_unseen keys of the tile, except those that are `window` keys or more before it.
struct Mask {
  int64_t row_begin, row_count, group, first_unseen, count, window;
  int64_t end_of(int64_t row) const { return (row_begin + row) / group + first_unseen; }
  Range keys(int64_t row) const { return {max(0, min(count, end_of(row) - window)), max(0, min(count, end_of(row)))}; }
  Range rows(int64_t key) const {
    const int64_t begin = (key + 1 - first_unseen) * group - row_begin;
    return {max(0, min(row_count, begin)), max(0, min(row_count, begin + window * group))};
  }
};

template <class T>
struct Task {
  const dpo4j_attention_backward_params& p;
  const dpo4j_segment* family;  // a segment without prefix, then its dependents
  HeadGroup heads;
  Tile& tile;

  int64_t stride() const { return padded(p.shape.head_width); }
  float& d_of(const dpo4j_segment& s, int64_t row) const {
    return static_cast<float*>(p.workspace)[(s.query_begin + heads.query_of(row)) * p.shape.heads + heads.head_of(row)];
  }
  float lse_of(const dpo4j_segment& s, int64_t row) const {
    return p.lse[(s.query_begin + heads.query_of(row)) * p.shape.heads + heads.head_of(row)];
  }

  // Where d_q of a row is summed: in place, or in the workspace if d_q is not fp32.
  float* sums_of(const dpo4j_segment& s, int64_t row) const {
    if constexpr (sizeof(T) == sizeof(float)) return static_cast<float*>(p.d_q) + heads.at(s, row, p.shape.q_stride);
    const int64_t width = p.shape.head_width;
    return static_cast<float*>(p.workspace) + p.query_rows * p.shape.heads + heads.at(s, row, p.shape.heads * width);
  }

  void prepare(const dpo4j_segment& reader) const;
  void load_keys(const dpo4j_segment& owner, int64_t begin, int64_t count) const;
  void load_queries(const dpo4j_segment& reader, int64_t row_begin, int64_t rows) const;
  void differentiate_row(float* probabilities, float* d_s, int64_t seen, float lse, float d) const;
  void differentiate_capped_row(float* probabilities, float* d_s, int64_t seen, float lse, float d) const;
  void add_to_keys(float* sums, const float* weights, const float* rows, const Mask& mask) const;
  void add_to_queries(const Mask& mask) const;
  void add_queries(const dpo4j_segment& reader, int64_t row_begin, int64_t rows, int64_t first_unseen, int64_t count) const;
  void store_queries(const dpo4j_segment& reader) const;
  void store_keys(const dpo4j_segment& owner, int64_t begin, int64_t count) const;
  void run_keys(const dpo4j_segment& owner, int64_t begin, int64_t count) const;
  void run() const;
};

// Computes D of each row, and sets d_q to 0.
template <class T>
void Task<T>::prepare(const dpo4j_segment& reader) const {
  const T* d_out = static_cast<const T*>(p.d_out);
  const T* out = static_cast<const T*>(p.out);
  for (int64_t row = 0; row < reader.query_count * heads.group; row++) {
    const int64_t at = heads.at(reader, row, p.shape.out_stride);
    d_of(reader, row) =
        sum_over(p.shape.head_width, [&](int64_t i, auto lanes) { return load(d_out + at + i, lanes) * load(out + at + i, lanes); });
    float* d_q = sums_of(reader, row);
    each_vector(p.shape.head_width, [&](int64_t i, auto lanes) { store(d_q + i, all(0), lanes); });
  }
}

template <class T>
void Task<T>::load_keys(const dpo4j_segment& owner, int64_t begin, int64_t count) const {
  const T* k = static_cast<const T*>(p.k);
  const T* v = static_cast<const T*>(p.v);
  const auto offset = [&](int64_t j) { return (owner.key_begin + begin + j) * p.shape.kv_stride + heads.kv_head * p.shape.head_width; };
  for (int64_t j = 0; j < count; j++) pack_row(tile.keys + j * stride(), k + offset(j), p.shape.head_width, 1);
  pack_columns<T>(tile.keys_transposed, count, p.shape.head_width, [&](int64_t j) { return k + offset(j); });
  pack_columns<T>(tile.values_transposed, count, p.shape.head_width, [&](int64_t j) { return v + offset(j); });
  each_vector(count * stride(), [&](int64_t i, auto lanes) {
    store(tile.d_keys + i, all(0), lanes);
    store(tile.d_values + i, all(0), lanes);
  });
}

template <class T>
void Task<T>::load_queries(const dpo4j_segment& reader, int64_t row_begin, int64_t rows) const {
  const T* q = static_cast<const T*>(p.q);
  const T* d_out = static_cast<const T*>(p.d_out);
  for (int64_t row = 0; row < rows; row++) {
    pack_row(tile.q + row * stride(), q + heads.at(reader, row_begin + row, p.shape.q_stride), p.shape.head_width, p.shape.scale);
    pack_row(tile.d_out + row * stride(), d_out + heads.at(reader, row_begin + row, p.shape.out_stride), p.shape.head_width, 1);
  }
}

// Turns scores into P, and d_out v^T into d_s, both for the keys that the row sees.
template <class T>
void Task<T>::differentiate_row(float* probabilities, float* d_s, int64_t seen, float lse, float d) const {
  each_vector(seen, [&](int64_t i, auto lanes) {
    const Floats e = exp(load(probabilities + i, lanes) - lse);
    store(probabilities + i, e, lanes);
    store(d_s + i, e * (load(d_s + i, lanes) - d), lanes);
  });
}

template <class T>
void Task<T>::differentiate_capped_row(float* probabilities, float* d_s, int64_t seen, float lse, float d) const {
  const float cap = p.shape.soft_cap, over_cap = 1 / cap;
  each_vector(seen, [&](int64_t i, auto lanes) {
    const Floats t = tanh(load(probabilities + i, lanes) * over_cap);
    const Floats e = exp(cap * t - lse);
    store(probabilities + i, e, lanes);
    store(d_s + i, e * (load(d_s + i, lanes) - d) * (1 - t * t), lanes);
  });
}

// sums[key] += sum over rows of weights[row, key] rows[row], for each key over the rows that see it. Rows that do
// not see the key are left out of the sum, not multiplied by 0, because their numbers may be NaN.
template <class T>
void Task<T>::add_to_keys(float* sums, const float* weights, const float* rows, const Mask& mask) const {
  const int64_t width = stride();
  const Left transposed = {weights, 1, kKeys};
  for (int64_t key = 0; key < mask.count; key += kTileRows) {
    const int64_t block = min(kTileRows, mask.count - key);
    const auto add = [&](int64_t first, int64_t keys, int64_t begin, int64_t end) {
      product(sums + first * width, width, transposed.from(first, begin), rows + begin * width, width, keys, width, end - begin, true);
    };
    in_order(
        block, [&](int64_t i) { return mask.rows(key + i); }, [&](int64_t i, int64_t begin, int64_t end) { add(key + i, 1, begin, end); },
        [&](int64_t begin, int64_t end) { add(key, block, begin, end); });
  }
}

// d_q = d_s k, for each row over the keys that it sees. Keys that a row does not see are left out for the same reason.
template <class T>
void Task<T>::add_to_queries(const Mask& mask) const {
  const int64_t width = stride();
  const Left weights = {tile.d_s, kKeys, 1};
  const bool last_row_sees_first = mask.keys(mask.row_count - 1).begin == 0;
  for (int64_t row = 0; row < mask.row_count;) {
    const bool all_see_all = last_row_sees_first && mask.keys(row).end == mask.count;
    const int64_t block = all_see_all ? mask.row_count - row : min(kTileRows, mask.row_count - row);
    // If every row of the block sees the first key, the sums of all of them begin with one product, which needs no zeros.
    const bool begins_together = mask.keys(row + block - 1).begin == 0;
    if (!begins_together) each_vector(block * width, [&](int64_t i, auto lanes) { store(tile.d_q + row * width + i, all(0), lanes); });
    const auto add = [&](int64_t first, int64_t rows, int64_t begin, int64_t end, bool accumulate) {
      product(tile.d_q + first * width, width, weights.from(first, begin), tile.keys + begin * width, width, rows, width, end - begin,
              accumulate);
    };
    in_order(
        block, [&](int64_t i) { return mask.keys(row + i); },
        [&](int64_t i, int64_t begin, int64_t end) { add(row + i, 1, begin, end, true); },
        [&](int64_t begin, int64_t end) { add(row, block, begin, end, !begins_together); });
    row += block;
  }
}

// Adds the terms of query rows [row_begin, row_begin + rows) of a segment to d_k and d_v of the tile, and the terms of the tile to d_q of
// these rows. `first_unseen` as in Mask.
template <class T>
void Task<T>::add_queries(const dpo4j_segment& reader, int64_t row_begin, int64_t rows, int64_t first_unseen, int64_t count) const {
  load_queries(reader, row_begin, rows);
  const int64_t width = stride();
  const int64_t columns = (count + kLanes - 1) / kLanes * kLanes;
  const Mask mask = {row_begin, rows, heads.group, first_unseen, count, window_of(p.shape)};
  product(tile.p, kKeys, {tile.q, width, 1}, tile.keys_transposed, kKeys, rows, columns, p.shape.head_width, false);
  product(tile.d_s, kKeys, {tile.d_out, width, 1}, tile.values_transposed, kKeys, rows, columns, p.shape.head_width, false);
  for (int64_t row = 0; row < rows; row++) {
    const float lse = lse_of(reader, row_begin + row), d = d_of(reader, row_begin + row);
    const Range seen = mask.keys(row);
    float *scores = tile.p + row * kKeys + seen.begin, *d_s = tile.d_s + row * kKeys + seen.begin;
    if (p.shape.soft_cap > 0)
      differentiate_capped_row(scores, d_s, seen.end - seen.begin, lse, d);
    else
      differentiate_row(scores, d_s, seen.end - seen.begin, lse, d);
  }
  add_to_keys(tile.d_values, tile.p, tile.d_out, mask);
  add_to_keys(tile.d_keys, tile.d_s, tile.q, mask);
  add_to_queries(mask);
  for (int64_t row = 0; row < rows; row++) {
    float* d_q = sums_of(reader, row_begin + row);
    each_vector(p.shape.head_width, [&](int64_t i, auto lanes) {
      store(d_q + i, fma(all(p.shape.scale), load(tile.d_q + row * width + i, lanes), load(d_q + i, lanes)), lanes);
    });
  }
}

template <class T>
void Task<T>::store_queries(const dpo4j_segment& reader) const {
  if (sizeof(T) == sizeof(float)) return;
  for (int64_t row = 0; row < reader.query_count * heads.group; row++) {
    unpack_row(static_cast<T*>(p.d_q) + heads.at(reader, row, p.shape.q_stride), sums_of(reader, row), p.shape.head_width);
  }
}

template <class T>
void Task<T>::store_keys(const dpo4j_segment& owner, int64_t begin, int64_t count) const {
  for (int64_t j = 0; j < count; j++) {
    const int64_t at = (owner.key_begin + begin + j) * p.shape.kv_stride + heads.kv_head * p.shape.head_width;
    unpack_row(static_cast<T*>(p.d_k) + at, tile.d_keys + j * stride(), p.shape.head_width);
    unpack_row(static_cast<T*>(p.d_v) + at, tile.d_values + j * stride(), p.shape.head_width);
  }
}

template <class T>
void Task<T>::run_keys(const dpo4j_segment& owner, int64_t begin, int64_t count) const {
  load_keys(owner, begin, count);
  const dpo4j_segment* last_reader = &owner == family ? family + family->dependents : &owner;
  for (const dpo4j_segment* reader = &owner; reader <= last_reader; reader++) {
    // The number of keys between the owner's first key and the reader's first query.
    const int64_t before = reader == &owner ? 0 : reader->prefix_count;
    const int64_t first_row = max(0, begin - before) * heads.group;
    const int64_t last_seeing = begin + count - 1 + window_of(p.shape) - 1 - before;
    const int64_t end_row = min(reader->query_count, last_seeing + 1) * heads.group;
    for (int64_t row = first_row; row < end_row; row += kQueryRows) {
      add_queries(*reader, row, min(kQueryRows, end_row - row), before + 1 - begin, count);
    }
  }
  store_keys(owner, begin, count);
}

template <class T>
void Task<T>::run() const {
  for (int64_t member = 0; member <= family->dependents; member++) prepare(family[member]);
  for (int64_t member = 0; member <= family->dependents; member++) {
    const dpo4j_segment& owner = family[member];
    for (int64_t begin = 0; begin < owner.query_count; begin += kKeys) run_keys(owner, begin, min(kKeys, owner.query_count - begin));
  }
  for (int64_t member = 0; member <= family->dependents; member++) store_queries(family[member]);
}

}  // namespace

void run(Threads& threads, const dpo4j_attention_backward_params& p) {
  parallel(threads, p.segment_count * p.shape.kv_heads, [&](int64_t task, void* scratch) {
    const dpo4j_segment* segment = p.segments + task / p.shape.kv_heads;
    if (segment->prefix_count > 0) return;  // handled in the task of its prefix
    const HeadGroup heads = {task % p.shape.kv_heads, p.shape.heads / p.shape.kv_heads, p.shape.head_width};
    with_storage(p.shape.dtype, [&](auto stored) { Task<decltype(stored)>{p, segment, heads, *static_cast<Tile*>(scratch)}.run(); });
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
