// (x1, x2) -> (x1 cos - x2 sin, x2 cos + x1 sin) for the two halves of the rotated elements of each head, in place; backward with -sin. 8
// bytes per rotated element.
#include "cpu.h"
#include "storage.h"

namespace dpo4j::cpu::DPO4J_ISA {
namespace {

template <class T>
void rotate(T* head, const float* cosine, const float* sine, int64_t half, float sign) {
  each_vector(half, [&](int64_t i, auto lanes) {
    const Floats x1 = load(head + i, lanes), x2 = load(head + half + i, lanes);
    const Floats c = load(cosine + i, lanes), s = load(sine + i, lanes) * sign;
    store(head + i, fma(x1, c, -(x2 * s)), lanes);
    store(head + half + i, fma(x2, c, x1 * s), lanes);
  });
}

template <class T>
void rotate_row(const Rope& p, int64_t row) {
  T* x = static_cast<T*>(p.x) + row * p.row_stride;
  const int64_t width = p.heads * p.head_width;
  const int64_t half = p.rotary_width / 2;
  const int32_t position = p.positions[row];
  if (position < 0 || position >= p.positions_end) {
    each_vector(width, [&](int64_t i, auto lanes) { store(x + i, all(kNan), lanes); });
    return;
  }
  for (int64_t begin = 0; begin < width; begin += p.head_width) {
    rotate(x + begin, p.cosine + position * half, p.sine + position * half, half, p.backward ? -1.f : 1.f);
  }
}

}  // namespace

void run(Threads& threads, const Rope& p) {
  with_storage(p.dtype, [&](auto stored) {
    parallel_ranges(threads, p.rows, rows_per_task(p.heads * p.head_width), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) rotate_row<decltype(stored)>(p, row);
    });
  });
}

}  // namespace dpo4j::cpu::DPO4J_ISA
