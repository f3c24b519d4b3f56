#include "call.h"

using dpo4j::Call;
using dpo4j::EmbeddingBackward;
using dpo4j::EmbeddingForward;

int32_t dpo4j_embedding_forward(dpo4j_context* context, void* out, const void* table, const int32_t* indices, int64_t rows,
                                int64_t table_rows, int64_t width, int32_t dtype) {
  return Call(context, "embedding_forward")
      .dtype("dtype", dtype)
      .rows("rows", rows)
      .extent("table_rows", table_rows)
      .extent("width", width)
      .tensor("out", out)
      .tensor("table", table)
      .words("indices", indices)
      .run(EmbeddingForward{out, table, indices, rows, table_rows, width, dtype});
}

int32_t dpo4j_embedding_backward(dpo4j_context* context, void* d_table, const void* d_out, const int32_t* order, const int32_t* offsets,
                                 const int32_t* distinct, int64_t segments, int64_t width, int32_t d_table_dtype, int32_t dtype) {
  return Call(context, "embedding_backward")
      .dtype("dtype", dtype)
      .dtype("d_table_dtype", d_table_dtype)
      .rows("segments", segments)
      .extent("width", width)
      .tensor("d_table", d_table)
      .tensor("d_out", d_out)
      .words("order", order)
      .words("offsets", offsets)
      .words("distinct", distinct)
      .run(EmbeddingBackward{d_table, d_out, order, offsets, distinct, segments, width, d_table_dtype, dtype});
}
