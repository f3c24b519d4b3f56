// out[out_rows[i]] = in[in_rows[i]]. 8 bytes per element.
#include <string.h>

#include "cpu.h"

namespace dpo4j::cpu {

void run(Cpu& cpu, const dpo4j_copy_rows_params& p) {
  const int64_t bytes = p.dtype == DPO4J_BF16 ? 2 : 4;  // of an element
  char* out = static_cast<char*>(p.out);
  const char* in = static_cast<const char*>(p.in);
  parallel_ranges(cpu.threads, p.rows, rows_per_task(p.width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t to = p.out_rows == nullptr ? row : p.out_rows[row];
      const int64_t from = p.in_rows == nullptr ? row : p.in_rows[row];
      memcpy(out + to * p.out_stride * bytes, in + from * p.in_stride * bytes, p.width * bytes);
    }
  });
}

}  // namespace dpo4j::cpu
