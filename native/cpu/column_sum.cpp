// sums[j] += sum over rows of scale[row] in[row, j], row after row. A task owns some columns, whose sums stay in L1.
#include "cpu.h"
#include "storage.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

constexpr int64_t kColumns = 512;  // per task; a multiple of the vector width

template <class T>
void add_columns(const dpo4j_column_sum_params& p, int64_t begin, int64_t count) {
  float sums[kColumns] = {};
  for (int64_t row = 0; row < p.rows; row++) {
    const T* in = static_cast<const T*>(p.in) + row * p.in_stride + begin;
    const Floats scale = all(p.scale != nullptr ? p.scale[row] : 1);
    each_vector(count, [&](int64_t i, auto lanes) { store(sums + i, fma(scale, load(in + i, lanes), load(sums + i, lanes)), lanes); });
  }
  float* to = p.sums + begin;
  each_vector(count, [&](int64_t i, auto lanes) { store(to + i, load(to + i, lanes) + load(sums + i, lanes), lanes); });
}

}  // namespace

void run(Threads& threads, const dpo4j_column_sum_params& p) {
  with_storage(p.dtype, [&](auto stored) {
    parallel_ranges(threads, p.width, kColumns, [&](int64_t begin, int64_t end) { add_columns<decltype(stored)>(p, begin, end - begin); });
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
