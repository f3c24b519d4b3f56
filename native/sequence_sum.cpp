#include "call.h"

using dpo4j::Call;

namespace {

Call& check_sequences(Call& call, const dpo4j_sequences& s) {
  return call.rows("sequences", s.sequences)
      .extent("width", s.width)
      .require(s.tail_factor >= 0 && s.tail_factor <= 1, "tail_factor", "must be in [0, 1]")
      .require(s.tail_factor == 1 || s.sequences % 2 == 0, "sequences", "must be even where tail_factor is not 1: partners are 2i and 2i+1")
      .flag("average", s.average)
      .words("offsets", s.offsets);
}

}  // namespace

int32_t dpo4j_sequence_sum_forward(dpo4j_context* context, const dpo4j_sequence_sum_forward_params* params) {
  Call call(context, "sequence_sum_forward");
  if (call.params(params).refused()) return call.status();
  return check_sequences(call, params->sequences).words("sums", params->sums).words("values", params->values).run(*params);
}

int32_t dpo4j_sequence_sum_backward(dpo4j_context* context, const dpo4j_sequence_sum_backward_params* params) {
  Call call(context, "sequence_sum_backward");
  if (call.params(params).refused()) return call.status();
  return check_sequences(call, params->sequences).words("d_values", params->d_values).words("d_sums", params->d_sums).run(*params);
}
