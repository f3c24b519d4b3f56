// Forward:  out[row] = scale table[indices[row]], NaN if the table has no such row. 8 bytes per element.
// Backward: d_table[distinct[s]] += scale times the sum of the rows of d_out with that index, in order. One task owns a row of the table. d_out is read
//   once. Rows of d_table that do not occur are neither read nor written.
#include "cpu.h"
#include "vector.h"

namespace dpo4j::cpu::DPO4J_ISA {

void run(Threads& threads, const dpo4j_embedding_forward_params& p) {
  const float* table = static_cast<const float*>(p.table);
  const Floats scale = all(p.scale);
  parallel_ranges(threads, p.rows, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      float* out = static_cast<float*>(p.out) + row * p.width;
      const int32_t index = p.indices[row];
      const bool exists = index >= 0 && index < p.table_rows;
      each_vector(p.width, [&](int64_t i, auto lanes) {
        store(out + i, exists ? load(table + index * p.width + i, lanes) * scale : all(kNan), lanes);
      });
    }
  });
}

void run(Threads& threads, const dpo4j_embedding_backward_params& p) {
  float* d_table = static_cast<float*>(p.d_table);
  const float* d_out = static_cast<const float*>(p.d_out);
  const Floats scale = all(p.scale);
  parallel_ranges(threads, p.segments, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; s++) {
      if (p.offsets[s] == p.offsets[s + 1]) continue;
      float* out = d_table + p.distinct[s] * p.width;
      each_vector(p.width, [&](int64_t i, auto lanes) {
        Floats sum = all(0);
        for (int32_t at = p.offsets[s]; at < p.offsets[s + 1]; at++) sum += load(d_out + p.order[at] * p.width + i, lanes);
        store(out + i, load(out + i, lanes) + sum * scale, lanes);
      });
    }
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
