// out = a + b. 12 bytes per element.
#include "cpu.h"
#include "storage.h"

namespace dpo4j::cpu::DPO4J_ISA {

namespace {

template <class T>
void forward(Threads& threads, const dpo4j_residual_forward_params& p) {
  T* out = static_cast<T*>(p.out);
  const T* a = static_cast<const T*>(p.a);
  const T* b = static_cast<const T*>(p.b);
  parallel_ranges(threads, p.count, rows_per_task(1), [&](int64_t begin, int64_t end) {
    each_vector(end - begin,
                [&](int64_t i, auto lanes) { store(out + begin + i, load(a + begin + i, lanes) + load(b + begin + i, lanes), lanes); });
  });
}

}  // namespace

void run(Threads& threads, const dpo4j_residual_forward_params& p) {
  with_storage(p.dtype, [&](auto stored) { forward<decltype(stored)>(threads, p); });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
