#include "call.h"
#include "text.h"

using dpo4j::Call;
using dpo4j::Matmul;

namespace {

// Strides of matmul need no 16-byte rows: oneDNN takes any.
Call& check_stride(Call& call, const char* name, int64_t stride, int64_t width) {
  return call.extent(name, stride).require(stride >= width, name, "must be at least the number of columns stored");
}

}  // namespace

int32_t dpo4j_matmul_library(const char* path, char* text, size_t text_bytes) {
  dpo4j::copy_text(text, text_bytes, "");
  if (path == nullptr) {
    dpo4j::copy_text(text, text_bytes, "matmul_library: path is null, must name libdnnl.so.3");
    return DPO4J_INVALID_ARGUMENT;
  }
  return dpo4j::cpu::load_matmul_library(path, text, text_bytes) == 0 ? DPO4J_OK : DPO4J_INVALID_ARGUMENT;
}

int32_t dpo4j_matmul(dpo4j_context* context, float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k, int64_t c_stride,
                     int64_t a_stride, int64_t b_stride, int32_t transpose_a, int32_t transpose_b, int32_t accumulate) {
  Call call(context, "matmul");
  call.supported(call.on_cpu(), "cuda contexts have no such operation, use cuBLASLt")
      .supported(dpo4j::cpu::has_matmul_library(), "no library serves it yet, name libdnnl.so.3 with dpo4j_matmul_library")
      .rows("m", m)
      .rows("n", n)
      .require(k >= 0 && k <= INT32_MAX, "k", "must not be negative, nor beyond an int32")
      .flag("transpose_a", transpose_a)
      .flag("transpose_b", transpose_b)
      .flag("accumulate", accumulate);
  check_stride(call, "c_stride", c_stride, n);
  check_stride(call, "a_stride", a_stride, transpose_a ? m : k);
  check_stride(call, "b_stride", b_stride, transpose_b ? k : n);
  call.words("c", c).words("a", a).words("b", b);
  return call.run_on_cpu(Matmul{c, a, b, m, n, k, c_stride, a_stride, b_stride, transpose_a != 0, transpose_b != 0, accumulate != 0});
}
