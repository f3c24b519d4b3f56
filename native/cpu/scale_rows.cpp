// out[row] = scale[row] in[row]. 8 bytes per element.
#include "cpu.h"
#include "storage.h"

namespace dpo4j::cpu::DPO4J_ISA {

namespace {

template <class T>
void scale(Threads& threads, const dpo4j_scale_rows_params& p) {
  parallel_ranges(threads, p.rows, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      T* out = static_cast<T*>(p.out) + row * p.width;
      const T* in = static_cast<const T*>(p.in) + row * p.width;
      const Floats scale = all(p.scale[row]);
      each_vector(p.width, [&](int64_t i, auto lanes) { store(out + i, scale * load(in + i, lanes), lanes); });
    }
  });
}

}  // namespace

void run(Threads& threads, const dpo4j_scale_rows_params& p) {
  with_storage(p.dtype, [&](auto stored) { scale<decltype(stored)>(threads, p); });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
