// out[out_rows[i]] = in[in_rows[i]]. 8 bytes per element.
#include <string.h>

#include "cpu.h"

namespace dpo4j::cpu {

void run(Cpu& cpu, const dpo4j_copy_rows_params& p) {
  float* out = static_cast<float*>(p.out);
  const float* in = static_cast<const float*>(p.in);
  parallel_ranges(cpu.threads, p.rows, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t to = p.out_rows == nullptr ? row : p.out_rows[row];
      const int64_t from = p.in_rows == nullptr ? row : p.in_rows[row];
      memcpy(out + to * p.out_stride, in + from * p.in_stride, p.width * sizeof(float));
    }
  });
}

}  // namespace dpo4j::cpu
