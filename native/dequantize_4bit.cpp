#include "call.h"

using dpo4j::Call;

int32_t dpo4j_dequantize_4bit(dpo4j_context* context, const dpo4j_dequantize_4bit_params* params) {
  Call call(context, "dequantize_4bit");
  if (call.params(params).refused()) return call.status();
  const dpo4j_dequantize_4bit_params& p = *params;
  call.dtype("dtype", p.dtype)
      .logits_dtype("value_dtype", p.value_dtype)
      .require(p.quant_type == DPO4J_NF4 || p.quant_type == DPO4J_FP4, "quant_type", "must be DPO4J_NF4 or DPO4J_FP4")
      .rows("rows", p.rows)
      .extent("width", p.width)
      .extent("group", p.group)
      .extent("group_stride", p.group_stride);
  if (!call.refused()) {
    const int64_t stride = p.width / p.group * p.group_stride;
    call.require(p.width % p.group == 0, "group", "must divide width")
        .require(p.group_stride >= p.group, "group_stride", "must be at least group")
        .require(stride * dpo4j::element_bytes(p.dtype) % 16 == 0, "group_stride", "must make rows of a multiple of 16 bytes")
        .require((p.absmax == nullptr) != (p.nested == nullptr), "absmax", "must be null if nested is given, and only then");
  }
  call.tensor("out", p.out).tensor("codes", p.codes).tensor_or_null("absmax", p.absmax).tensor_or_null("nested", p.nested);
  if (p.nested != nullptr) {
    call.require(dpo4j::finite(p.nested_offset), "nested_offset", "must be finite")
        .tensor("nested_map", p.nested_map)
        .tensor("nested_absmax", p.nested_absmax);
  }
  return call.words_or_null("in_rows", p.in_rows).run(p);
}
