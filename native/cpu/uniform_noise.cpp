// out[row, column] += scale[row] u, with u = (2 b + 1) 2^-23 - 1 from 23 bits b of Philox. 8 bytes per element; the random bits take longer
// than they.
#include "cpu.h"
#include "formulas/philox.h"
#include "storage.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

template <class T>
void add_noise(Threads& threads, const dpo4j_uniform_noise_params& p) {
  constexpr int64_t kWords = 4;
  parallel_ranges(threads, p.rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      T* out = static_cast<T*>(p.out) + row * p.stride;
      const float scale = p.scale[row];
      if (scale == 0) continue;
      const uint32_t position = static_cast<uint32_t>(p.position[row]), sequence = static_cast<uint32_t>(p.sequence[row]);
      for (int64_t column = 0; column < p.width; column += kWords) {
        const PhiloxBits bits = philox({static_cast<uint32_t>(column / kWords), position, sequence, p.random[2]}, p.random[0], p.random[1]);
        const uint32_t words[kWords] = {bits.x, bits.y, bits.z, bits.w};
        for (int64_t k = 0; k < kWords && column + k < p.width; k++) {
          const float uniform = static_cast<float>(2 * static_cast<int32_t>(words[k] >> 9) + 1) * 0x1p-23f - 1;
          store(out + column + k, all(load_one(out + column + k) + scale * uniform), Part{1});
        }
      }
    }
  });
}

}  // namespace

void run(Threads& threads, const dpo4j_uniform_noise_params& p) {
  with_storage(p.dtype, [&](auto stored) { add_noise<decltype(stored)>(threads, p); });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
