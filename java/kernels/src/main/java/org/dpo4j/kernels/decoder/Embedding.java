package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;

/** Rows of a table by index, and the sums that go back to them. */
public final class Embedding {
    private Embedding() {}

    /** A table, or its gradient: address of rows of {@code width} elements. */
    public record Table(long address, long width, DType dtype) {}

    /**
     * The indices of a forward pass.
     *
     * @param address of i32[count]
     * @param tableRows rows of the table; an index outside {@code [0, tableRows)} yields a row of NaN
     */
    public record Indices(long address, long count, long tableRows) {}

    /**
     * The rows of a pass, sorted by index on the host, once a batch: that makes the sums deterministic.
     *
     * @param order address of i32[rows], the rows sorted by index, stably
     * @param offsets address of i32[count + 1], the range in {@code order} of each index; an empty range touches no row
     *     of the table, whatever its index is
     * @param distinct address of i32[count], the indices that occur
     */
    public record SortedRows(long order, long offsets, long distinct, long count) {}

    /**
     * {@code out[row] = table[indices[row]]}.
     *
     * @param out out, [indices.count, width], of the table's type
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
                .int32("dtype", table.dtype.code());
        Status.check(context, Native.dpo4j_embedding_forward(context, params.end()));
    }

    /**
     * {@code dTable[distinct[s]] += sum of dOut[order[i]]} for {@code i} in {@code [offsets[s], offsets[s+1])}, in that
     * order.
     *
     * @param dTable added to
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
                .int32("d_table_dtype", dTable.dtype.code())
                .int32("dtype", dtype.code());
        Status.check(context, Native.dpo4j_embedding_backward(context, params.end()));
    }
}
