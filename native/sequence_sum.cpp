#include "call.h"

using dpo4j::Call;
using dpo4j::SequenceSumBackward;
using dpo4j::SequenceSumForward;

int32_t dpo4j_sequence_sum_forward(dpo4j_context* context, float* sums, const float* values, const int32_t* offsets, int64_t sequences) {
  return Call(context, "sequence_sum_forward")
      .rows("sequences", sequences)
      .tensor("sums", sums)
      .tensor("values", values)
      .words("offsets", offsets)
      .run(SequenceSumForward{sums, values, offsets, sequences});
}

int32_t dpo4j_sequence_sum_backward(dpo4j_context* context, float* d_values, const float* d_sums, const int32_t* offsets,
                                    int64_t sequences) {
  return Call(context, "sequence_sum_backward")
      .rows("sequences", sequences)
      .tensor("d_values", d_values)
      .tensor("d_sums", d_sums)
      .words("offsets", offsets)
      .run(SequenceSumBackward{d_values, d_sums, offsets, sequences});
}
