// Codes and absmax of blocks of 64 elements, as bitsandbytes computes them on the CPU: x times the rounded 1 / absmax, then
// the nearest number of the map.
#include "cpu.h"
#include "formulas/four_bit.h"
#include "storage.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

constexpr int64_t kBlocksPerTask = 128;

template <class T>
void quantize(Threads& threads, const dpo4j_quantize_4bit_params& p) {
  float middles[kMiddles];
  for (int i = 0; i < kMiddles; i++) middles[i] = four_bit_middle(p.quant_type, i);
  const uint64_t codes = sorted_four_bit_codes(p.quant_type);
  parallel_ranges(threads, (p.count + kFourBitBlock - 1) / kFourBitBlock, kBlocksPerTask, [&](int64_t first, int64_t last) {
    for (int64_t block = first; block < last; block++) {
      const int64_t begin = block * kFourBitBlock, count = p.count - begin < kFourBitBlock ? p.count - begin : kFourBitBlock;
      const T* in = static_cast<const T*>(p.in) + begin;
      float x[kFourBitBlock] = {};
      float max = 0, poison = 0;
      for (int64_t i = 0; i < count; i++) {
        x[i] = load_one(in + i);
        const float size = x[i] < 0 ? -x[i] : x[i];
        max = size > max ? size : max;
        poison += 0 * x[i];
      }
      p.absmax[block] = max + poison;
      const float factor = four_bit_factor(max);
      for (int64_t i = 0; i < count; i += 2) {
        const int one = nearest_four_bit(middles, codes, x[i] * factor), two = nearest_four_bit(middles, codes, x[i + 1] * factor);
        p.codes[(begin + i) / 2] = static_cast<uint8_t>(one << 4 | two);
      }
    }
  });
}

}  // namespace

void run(Threads& threads, const dpo4j_quantize_4bit_params& p) {
  with_storage(p.dtype, [&](auto stored) { quantize<decltype(stored)>(threads, p); });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
