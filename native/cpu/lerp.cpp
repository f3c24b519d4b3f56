// out += share (in - out). 12 bytes per element, less for bf16.
#include "cpu.h"
#include "storage.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

template <class T, class In>
void interpolate(Threads& threads, const dpo4j_lerp_params& p) {
  T* out = static_cast<T*>(p.out);
  const In* in = static_cast<const In*>(p.in);
  const Floats share = all(p.share);
  parallel_ranges(threads, p.count, rows_per_task(1), [&](int64_t begin, int64_t end) {
    each_vector(end - begin, [&](int64_t offset, auto lanes) {
      const int64_t i = begin + offset;
      const Floats to = load(in + i, lanes), from = load(out + i, lanes);
      store(out + i, p.share == 1 ? to : fma(share, to - from, from), lanes);
    });
  });
}

}  // namespace

void run(Threads& threads, const dpo4j_lerp_params& p) {
  if (p.share == 0 || (p.clip && *p.clip != *p.clip)) return;
  with_storage(p.dtype,
               [&](auto out) { with_storage(p.in_dtype, [&](auto in) { interpolate<decltype(out), decltype(in)>(threads, p); }); });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
