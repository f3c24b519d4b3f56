// Operations that move rows and do no arithmetic: embedding forward and copy_rows. 8 bytes an element.
#include <string.h>

#include "cpu.h"

namespace dpo4j::cpu {
namespace {

void fill_nan(float* out, int64_t width) {
  for (int64_t i = 0; i < width; i++) out[i] = __builtin_nanf("");
}

}  // namespace

void run(Cpu& cpu, const EmbeddingForward& p) {
  const float* table = static_cast<const float*>(p.table);
  parallel_ranges(cpu.threads, p.rows, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      float* out = static_cast<float*>(p.out) + row * p.width;
      const int32_t index = p.indices[row];
      if (index < 0 || index >= p.table_rows) {
        fill_nan(out, p.width);
      } else {
        memcpy(out, table + index * p.width, p.width * sizeof(float));
      }
    }
  });
}

void run(Cpu& cpu, const CopyRows& p) {
  parallel_ranges(cpu.threads, p.rows, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t to = p.out_rows == nullptr ? row : p.out_rows[row];
      const int64_t from = p.in_rows == nullptr ? row : p.in_rows[row];
      memcpy(static_cast<float*>(p.out) + to * p.out_stride, static_cast<const float*>(p.in) + from * p.in_stride, p.width * sizeof(float));
    }
  });
}

}  // namespace dpo4j::cpu
