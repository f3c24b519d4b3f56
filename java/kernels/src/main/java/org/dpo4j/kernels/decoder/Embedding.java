package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** Rows of a table by index, times a scale; backward sums the gradients of equal indices. */
public final class Embedding {
    private Embedding() {}

    /**
     * A table or its gradient, [table rows, width].
     *
     * @param scale factor of the rows that forward reads, and so of the gradient that backward adds
     */
    public record Table(long address, long width, float scale, DType dtype) {

        /** Without scale. */
        public Table(long address, long width, DType dtype) {
            this(address, width, 1, dtype);
        }
    }

    /**
     * The indices of a forward pass.
     *
     * @param address i32[count]
     * @param tableRows rows of the table; an index outside {@code [0, tableRows)} gives a row of NaN
     */
    public record Indices(long address, long count, long tableRows) {}

    /**
     * The rows of a batch by index. The order makes the sums deterministic; the caller sorts on the host, once per
     * batch.
     *
     * @param order i32[rows], the row numbers, stably sorted by index
     * @param offsets i32[count + 1]: {@code order[offsets[s]]} to {@code order[offsets[s+1]-1]} are the rows with index
     *     {@code distinct[s]}. If a range is empty, no row of the table changes, whatever {@code distinct[s]} is
     * @param distinct i32[count], the indices that occur, each once
     * @param count number of distinct indices
     */
    public record SortedRows(long order, long offsets, long distinct, long count) {}

    /**
     * {@code out[row] = scale table[indices[row]]}.
     *
     * @param out written, [indices.count, width], with the dtype of the table
     */
    public static void forward(Device device, long out, Table table, Indices indices) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_embedding_forward_params")
                .address("out", out)
                .address("table", table.address)
                .address("indices", indices.address)
                .int64("rows", indices.count)
                .int64("table_rows", indices.tableRows)
                .int64("width", table.width)
                .float32("scale", table.scale)
                .int32("dtype", table.dtype.code());
        Status.check(context, Native.dpo4j_embedding_forward(context, params.end()));
    }

    /**
     * {@code dTable[distinct[s]] += scale * sum of dOut[order[i]]} for {@code i} in {@code [offsets[s], offsets[s+1])}, in that
     * order.
     *
     * @param dTable accumulated
     * @param dOut {@code dtype}[rows, width]
     */
    public static void backward(Device device, Table dTable, long dOut, SortedRows rows, DType dtype) {
        long context = device.context();
        StructWriter params = StructWriter.begin("dpo4j_embedding_backward_params")
                .address("d_table", dTable.address)
                .address("d_out", dOut)
                .address("order", rows.order)
                .address("offsets", rows.offsets)
                .address("distinct", rows.distinct)
                .int64("segments", rows.count)
                .int64("width", dTable.width)
                .float32("scale", dTable.scale)
                .int32("d_table_dtype", dTable.dtype.code())
                .int32("dtype", dtype.code());
        Status.check(context, Native.dpo4j_embedding_backward(context, params.end()));
    }
}
