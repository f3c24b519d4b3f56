#include "call.h"

using dpo4j::Call;
using dpo4j::SequenceSumBackward;
using dpo4j::SequenceSumForward;

namespace {

Call& check_sequences(Call& call, const int32_t* offsets, int64_t sequences, int64_t width, float tail_factor, int32_t average) {
  return call.rows("sequences", sequences)
      .extent("width", width)
      .require(tail_factor >= 0 && tail_factor <= 1, "tail_factor", "must be in [0, 1]")
      .require(tail_factor == 1 || sequences % 2 == 0, "sequences", "must be even where tail_factor is not 1: partners are 2i and 2i+1")
      .flag("average", average)
      .words("offsets", offsets);
}

}  // namespace

int32_t dpo4j_sequence_sum_forward(dpo4j_context* context, float* sums, const float* values, const int32_t* offsets, int64_t sequences,
                                   int64_t width, float tail_factor, int32_t average) {
  Call call(context, "sequence_sum_forward");
  return check_sequences(call, offsets, sequences, width, tail_factor, average)
      .words("sums", sums)
      .words("values", values)
      .run(SequenceSumForward{sums, values, offsets, sequences, width, tail_factor, average});
}

int32_t dpo4j_sequence_sum_backward(dpo4j_context* context, float* d_values, const float* d_sums, const int32_t* offsets, int64_t sequences,
                                    int64_t width, float tail_factor, int32_t average) {
  Call call(context, "sequence_sum_backward");
  return check_sequences(call, offsets, sequences, width, tail_factor, average)
      .words("d_values", d_values)
      .words("d_sums", d_sums)
      .run(SequenceSumBackward{d_values, d_sums, offsets, sequences, width, tail_factor, average});
}
