#include "call.h"
#include "text.h"

using dpo4j::Call;

namespace {

// oneDNN takes any stride, so rows need not start on 16 bytes.
Call& check_stride(Call& call, const char* name, int64_t stride, int64_t width) {
  return call.extent(name, stride).require(stride >= width, name, "must be at least the number of columns stored");
}

constexpr char kNoPanels[] = "are not for this context, or this size: ask dpo4j_has_panels";

}  // namespace

int32_t dpo4j_matmul_library(const char* path, char* text, size_t text_bytes) {
  dpo4j::copy_text(text, text_bytes, "");
  if (path == nullptr) {
    dpo4j::copy_text(text, text_bytes, "matmul_library: path is null, must name libdnnl.so.3");
    return DPO4J_INVALID_ARGUMENT;
  }
  return dpo4j::cpu::load_matmul_library(path, text, text_bytes) == 0 ? DPO4J_OK : DPO4J_INVALID_ARGUMENT;
}

int32_t dpo4j_matmul(dpo4j_context* context, const dpo4j_matmul_params* params) {
  Call call(context, "matmul");
  if (call.params(params).refused()) return call.status();
  const dpo4j_matmul_params& p = *params;
  call.supported(call.on_cpu(), "cuda contexts have no such operation, use cuBLASLt")
      .supported(dpo4j::cpu::has_matmul_library(), "no library serves it yet, name libdnnl.so.3 with dpo4j_matmul_library")
      .rows("m", p.m)
      .rows("n", p.n)
      .require(p.k >= 0 && p.k <= INT32_MAX, "k", "must not be negative, nor beyond an int32")
      .flag("transpose_a", p.transpose_a)
      .flag("transpose_b", p.transpose_b)
      .flag("accumulate", p.accumulate)
      .flag("b_panels", p.b_panels)
      .dtype("dtype", p.dtype)
      .dtype("c_dtype", p.c_dtype)
      .require(p.c_dtype == DPO4J_F32 || p.dtype == DPO4J_BF16, "c_dtype", "must be DPO4J_F32 where dtype is")
      .require(p.bias == nullptr || p.accumulate == 0, "bias", "must be null if accumulate is 1")
      .require(dpo4j::finite(p.alpha), "alpha", "must be finite")
      .require(p.bias == nullptr || p.alpha == 1, "alpha", "must be 1 with a bias");
  check_stride(call, "c_stride", p.c_stride, p.n);
  check_stride(call, "a_stride", p.a_stride, p.transpose_a ? p.m : p.k);
  check_stride(call, "b_stride", p.b_stride, p.transpose_b ? p.k : p.n);
  if (p.b_panels != 0) {
    call.require(p.transpose_a == 0, "transpose_a", "must be 0 with b_panels")
        .require(p.transpose_b != 0, "transpose_b", "must be 1 with b_panels")
        .require(p.b_stride == p.k, "b_stride", "must be k with b_panels")
        .require(p.alpha == 1, "alpha", "must be 1 with b_panels")
        .require(dpo4j_has_panels(context, p.n, p.k, p.dtype) != 0, "b_panels", kNoPanels);
  }
  call.words("c", p.c).words("a", p.a).words("b", p.b).words_or_null("bias", p.bias);
  return call.run_on_cpu(p);
}

int32_t dpo4j_pack_panels(dpo4j_context* context, const dpo4j_pack_panels_params* params) {
  Call call(context, "pack_panels");
  if (call.params(params).refused()) return call.status();
  const dpo4j_pack_panels_params& p = *params;
  call.supported(call.on_cpu(), "cuda contexts have no such operation")
      .rows("rows", p.rows)
      .extent("columns", p.columns)
      .dtype("dtype", p.dtype)
      .flag("unpacks", p.unpacks)
      .words("matrix", p.matrix);
  if (!call.skipped()) call.supported(dpo4j_has_panels(context, p.rows, p.columns, p.dtype) != 0, "panels ", kNoPanels);
  return call.run_on_cpu(p);
}

int32_t dpo4j_has_panels(const dpo4j_context* context, int64_t rows, int64_t columns, int32_t dtype) {
  if (context == nullptr || context->device != DPO4J_CPU || rows <= 0 || columns <= 0) return 0;
  if (dtype != DPO4J_F32 && dtype != DPO4J_BF16) return 0;
  return dpo4j::cpu::has_panels(*context->cpu, rows, columns, dtype) ? 1 : 0;
}
