// Forward:  out[row] = scale table[indices[row]], NaN if the table has no such row. 8 bytes per element.
// Backward: d_table[distinct[s]] += scale times the sum of the rows of d_out with that index, in order. One task owns a row of the table. d_out is read
//   once. Rows of d_table that do not occur are neither read nor written.
#include "cpu.h"
#include "storage.h"

namespace dpo4j::cpu::DPO4J_ISA {

namespace {

template <class T>
void forward(Threads& threads, const dpo4j_embedding_forward_params& p) {
  const T* table = static_cast<const T*>(p.table);
  const Floats scale = all(p.scale);
  parallel_ranges(threads, p.rows, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      T* out = static_cast<T*>(p.out) + row * p.width;
      const int32_t index = p.indices[row];
      const bool exists = index >= 0 && index < p.table_rows;
      each_vector(p.width, [&](int64_t i, auto lanes) {
        store(out + i, exists ? load(table + index * p.width + i, lanes) * scale : all(kNan), lanes);
      });
    }
  });
}

template <class Sum, class T>
void backward(Threads& threads, const dpo4j_embedding_backward_params& p) {
  Sum* d_table = static_cast<Sum*>(p.d_table);
  const T* d_out = static_cast<const T*>(p.d_out);
  const Floats scale = all(p.scale);
  parallel_ranges(threads, p.segments, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; s++) {
      if (p.offsets[s] == p.offsets[s + 1]) continue;
      Sum* out = d_table + p.distinct[s] * p.width;
      each_vector(p.width, [&](int64_t i, auto lanes) {
        Floats sum = all(0);
        for (int32_t at = p.offsets[s]; at < p.offsets[s + 1]; at++) sum += load(d_out + p.order[at] * p.width + i, lanes);
        store(out + i, load(out + i, lanes) + sum * scale, lanes);
      });
    }
  });
}

}  // namespace

void run(Threads& threads, const dpo4j_embedding_forward_params& p) {
  with_storage(p.dtype, [&](auto stored) { forward<decltype(stored)>(threads, p); });
}

void run(Threads& threads, const dpo4j_embedding_backward_params& p) {
  with_storage(p.d_table_dtype,
               [&](auto sum) { with_storage(p.dtype, [&](auto stored) { backward<decltype(sum), decltype(stored)>(threads, p); }); });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
