// The next token of a row of logits. A row is read block by block, once for each of these: the max, a digit of the threshold of top_k or
// top_p, a sum of masses. The scores z of a block are computed again each time; without transform, penalty and temperature they are the
// logits, and nothing is copied. A thread handles a row.
#include "cpu.h"
#include "formulas/logit_transform.h"
#include "formulas/sampling.h"
#include "transform.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

constexpr int64_t kBlock = 4096;  // scores that stay in L1

typedef dpo4j_sample_tokens_params Params;

// Calls f(i) for the ids begin + i of a bitmap in [begin, begin + size); begin is a multiple of 32.
template <class F>
DPO4J_INLINE void each_id(const uint32_t* bitmap, int64_t begin, int64_t size, const F& f) {
  for (int64_t word = 0; word * 32 < size; word++) {
    for (uint32_t bits = bitmap[begin / 32 + word]; bits != 0; bits &= bits - 1) {
      const int64_t i = word * 32 + __builtin_ctz(bits);
      if (i < size) f(i);
    }
  }
}

// The scores of a row, after transform, repetition penalty, suppression and temperature.
class Scores {
 public:
  Scores(const Params& p, int64_t row, float* block)
      : transform_(p.transform),
        logits_(p.logits + (p.logits_rows != nullptr ? p.logits_rows[row] : row) * p.logits_stride),
        vocabulary_(p.vocabulary),
        seen_(p.repetition_penalty == 1 ? nullptr : p.seen + (p.seen_rows != nullptr ? p.seen_rows[row] : row) * p.seen_stride),
        suppressed_(static_cast<int64_t>(p.draws[4 * row + 3]) < p.min_new_tokens ? p.suppressed : nullptr),
        penalty_(p.repetition_penalty),
        temperature_(p.temperature == 0 ? 1 : p.temperature),
        transforms_(!is_identity(p.transform)),
        block_(block) {}

  int64_t vocabulary() const { return vocabulary_; }

  // Scores from `begin` on, before suppression.
  const float* unsuppressed(int64_t begin, int64_t size) const {
    if (!transforms_ && seen_ == nullptr && suppressed_ == nullptr && temperature_ == 1) return logits_ + begin;
    const float* bias = transform_.bias;
    each_vector(size, [&](int64_t i, auto lanes) {
      Floats z = load(logits_ + begin + i, lanes);
      if (transforms_) z = transform_.apply(z, bias != nullptr ? load(bias + begin + i, lanes) : Floats{}).z;
      store(block_ + i, z, lanes);
    });
    if (seen_ != nullptr) {
      each_id(seen_, begin, size, [&](int64_t i) { block_[i] = block_[i] < 0 ? block_[i] * penalty_ : block_[i] / penalty_; });
    }
    if (temperature_ != 1) {
      each_vector(size, [&](int64_t i, auto lanes) { store(block_ + i, load(block_ + i, lanes) / all(temperature_), lanes); });
    }
    return block_;
  }

  void suppress(int64_t begin, int64_t size) const {
    if (suppressed_ == nullptr) return;
    each_id(suppressed_, begin, size, [&](int64_t i) { block_[i] = -kInfinity; });
  }

  const float* block(int64_t begin, int64_t size) const {
    const float* scores = unsuppressed(begin, size);
    suppress(begin, size);
    return scores;
  }

 private:
  const Transform transform_;
  const float* const logits_;
  const int64_t vocabulary_;
  const uint32_t *const seen_, *const suppressed_;
  const float penalty_, temperature_;
  const bool transforms_;
  float* const block_;  // [kBlock]
};

template <class F>
DPO4J_INLINE void each_block(int64_t count, const F& f) {
  for (int64_t begin = 0; begin < count; begin += kBlock) f(begin, count - begin < kBlock ? count - begin : kBlock);
}

// The first id with the max score, and that score. `refused` is the first id with a score that is not finite, else -1.
struct Maximum {
  float score = -kInfinity;
  int64_t id = -1, refused = -1;
};

Maximum maximum_of(const Scores& scores) {
  Maximum found;
  each_block(scores.vocabulary(), [&](int64_t begin, int64_t size) {
    if (found.refused >= 0) return;
    const float* block = scores.unsuppressed(begin, size);
    const float zero = sum_over(size, [&](int64_t i, auto lanes) {
      const Floats z = load(block + i, lanes);
      return z - z;
    });
    if (zero != 0) {
      int64_t i = 0;
      while (block[i] - block[i] == 0) i++;
      found.refused = begin + i;
      return;
    }
    scores.suppress(begin, size);
    const float maximum = maximum_over(size, [&](int64_t i, auto lanes) { return load(block + i, lanes, -kInfinity); });
    if (!(maximum > found.score)) return;
    int64_t i = 0;
    while (block[i] != maximum) i++;
    found.score = maximum;
    found.id = begin + i;
  });
  if (found.refused < 0 && found.id < 0) found.refused = 0;  // all ids are suppressed
  return found;
}

// A bit for each lane that is at least `min`; none for NaN.
DPO4J_INLINE uint32_t lanes_at_least(Floats z, float min) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask((__m512)z, (__m512)all(min), _CMP_GE_OQ);
#elif defined(__AVX2__)
  return static_cast<uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps((__m256)z, (__m256)all(min), _CMP_GE_OQ)));
#else
  uint32_t bits = 0;
  for (int i = 0; i < kLanes; i++) bits |= static_cast<uint32_t>(z[i] >= min) << i;
  return bits;
#endif
}

// Counts ids: f(score, id, 1) for each score of at least `min`, in order of ids, until f returns false.
struct Counts {
  const Scores& scores;
  template <class F>
  DPO4J_INLINE void each(float min, const F& f) const {
    bool goes_on = true;
    each_block(scores.vocabulary(), [&](int64_t begin, int64_t size) {
      if (!goes_on) return;
      const float* block = scores.block(begin, size);
      each_vector(size, [&](int64_t i, auto lanes) {
        for (uint32_t bits = lanes_at_least(load(block + i, lanes, kNan), min); bits != 0 && goes_on; bits &= bits - 1) {
          const int64_t at = i + __builtin_ctz(bits);
          goes_on = f(block[at], begin + at, uint64_t{1});
        }
      });
    });
  }
};

// Adds their masses: f(score, id, mass), for probabilities of at least min_p times the max.
struct Masses {
  const Scores& scores;
  float max_score, max_mass, min_p;
  template <class F>
  DPO4J_INLINE void each(float min, const F& f) const {
    bool goes_on = true;
    each_block(scores.vocabulary(), [&](int64_t begin, int64_t size) {
      if (!goes_on) return;
      const float* block = scores.block(begin, size);
      each_vector(size, [&](int64_t i, auto lanes) {
        const Floats z = load(block + i, lanes, kNan);
        uint32_t bits = lanes_at_least(z, min);
        if (bits == 0) return;
        const Floats exponentials = exp(z - max_score);
        bits &= lanes_at_least(exponentials, min_p);
        float each[kLanes];
        store(each, exponentials);
        for (; bits != 0 && goes_on; bits &= bits - 1) {
          const int lane = __builtin_ctz(bits);
          goes_on = f(block[i + lane], begin + i + lane, sampling::mass(each[lane], max_mass));
        }
      });
    });
  }
};

uint32_t order_of(float score) {
  const float without_sign_of_zero = score + 0.0f;
  uint32_t bits;
  __builtin_memcpy(&bits, &without_sign_of_zero, sizeof bits);
  return sampling::ordered(bits);
}

float score_of(uint32_t order) {
  const uint32_t infinity = order_of(-kInfinity), bits = sampling::bits_of_ordered(order < infinity ? infinity : order);
  float score;
  __builtin_memcpy(&score, &bits, sizeof score);
  return score;
}

// The max score t such that the amounts of scores of at least t are `needed` together, and the sum of those above t.
struct Threshold {
  float score;
  uint64_t above;
};

// Radix selection: four passes of 8 bits, from the highest. `needed` is above 0 and at most the sum of all amounts.
template <class Amounts>
Threshold threshold(const Amounts& amounts, uint64_t needed) {
  constexpr int kDigit = 8;
  uint32_t prefix = 0;
  uint64_t above = 0;
  for (int shift = 32 - kDigit; shift >= 0; shift -= kDigit) {
    uint64_t bins[1 << kDigit] = {};
    const float min = shift == 32 - kDigit ? -kInfinity : score_of(prefix << (shift + kDigit));
    amounts.each(min, [&](float score, int64_t, uint64_t amount) {
      const uint64_t order = order_of(score);
      if (order >> (shift + kDigit) == prefix) bins[order >> shift & ((1 << kDigit) - 1)] += amount;
      return true;
    });
    uint32_t digit = (1 << kDigit) - 1;
    while (digit > 0 && above + bins[digit] < needed) above += bins[digit--];
    prefix = prefix << kDigit | digit;
  }
  return {score_of(prefix), above};
}

// Which ids remain: those with scores above `score`, and those that equal it up to id `last`.
struct Kept {
  float score = -kInfinity;
  int64_t last = INT64_MAX;
  bool contains(float z, int64_t id) const { return z > score || id <= last; }
};

Kept top_p(const Masses& masses, const Kept& before, float top_p) {
  uint64_t total = 0;
  masses.each(before.score, [&](float, int64_t, uint64_t mass) {
    total += mass;
    return true;
  });
  const uint64_t needed = sampling::mass_to_keep(total, top_p);
  const Threshold found = threshold(masses, needed);
  const uint64_t mass = sampling::mass(exp(found.score - masses.max_score), masses.max_mass);
  Kept result;
  result.score = found.score;
  uint64_t left = sampling::equals_to_keep(needed - found.above, mass);
  Counts{masses.scores}.each(found.score, [&](float z, int64_t id, uint64_t) {
    if (z != found.score) return true;
    result.last = id;
    return --left > 0;
  });
  return result;
}

int32_t sample(const Params& p, int64_t row) {
  float block[kBlock];
  const Scores scores(p, row, block);
  const Maximum maximum = maximum_of(scores);
  if (maximum.refused >= 0) return static_cast<int32_t>(-1 - maximum.refused);
  if (p.temperature == 0) return static_cast<int32_t>(maximum.id);
  Kept kept;
  const Masses whole{scores, maximum.score, sampling::max_mass(p.vocabulary), 0};
  if (p.top_k > 0 && p.top_k < p.vocabulary) kept.score = threshold(Counts{scores}, static_cast<uint64_t>(p.top_k)).score;
  if (p.top_p < 1) kept = top_p(whole, kept, p.top_p);
  const Masses masses{scores, maximum.score, whole.max_mass, p.min_p};
  uint64_t total = 0;
  masses.each(kept.score, [&](float z, int64_t id, uint64_t mass) {
    if (kept.contains(z, id)) total += mass;
    return true;
  });
  uint64_t left = sampling::drawn_mass(p.draws + 4 * row, total);
  int32_t token = -1;
  masses.each(kept.score, [&](float z, int64_t id, uint64_t mass) {
    if (!kept.contains(z, id)) return true;
    if (left < mass) {
      token = static_cast<int32_t>(id);
      return false;
    }
    left -= mass;
    return true;
  });
  return token;
}

}  // namespace

void run(Threads& threads, const dpo4j_sample_tokens_params& p) {
  parallel_ranges(threads, p.rows, rows_per_task(p.vocabulary), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const int32_t token = sample(p, row);
      p.tokens[row] = token;
      if (p.seen == nullptr || token < 0) continue;
      p.seen[(p.seen_rows != nullptr ? p.seen_rows[row] : row) * p.seen_stride + token / 32] |= 1u << (token % 32);
    }
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
