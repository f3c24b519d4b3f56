#include "call.h"

using dpo4j::Call;

int32_t dpo4j_quantize_4bit(dpo4j_context* context, const dpo4j_quantize_4bit_params* params) {
  Call call(context, "quantize_4bit");
  if (call.params(params).refused()) return call.status();
  const dpo4j_quantize_4bit_params& p = *params;
  return call.dtype("dtype", p.dtype)
      .count("count", p.count)
      .require(p.quant_type == DPO4J_NF4 || p.quant_type == DPO4J_FP4, "quant_type", "must be DPO4J_NF4 or DPO4J_FP4")
      .tensor("codes", p.codes)
      .tensor("absmax", p.absmax)
      .tensor("in", p.in)
      .run(p);
}
