package org.dpo4j.kernels.decoder;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;

/** Rows of a table by index, and the sums that go back to them. */
public final class Embedding {
    private Embedding() {}

    /**
     * {@code out[row] = table[indices[row]]}. An index outside {@code [0, tableRows)} yields a row of NaN.
     *
     * @param out out, [rows, width]
     * @param table [tableRows, width]
     * @param indices i32[rows]
     */
    public static void forward(
            Device device, long out, long table, long indices, long rows, long tableRows, long width, DType dtype) {
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_embedding_forward(context, out, table, indices, rows, tableRows, width, dtype.code()));
    }

    /**
     * {@code dTable[distinct[s]] += sum of dOut[order[i]]} for {@code i} in {@code [offsets[s], offsets[s+1])}, in that
     * order; an empty range touches no row, whatever {@code distinct[s]} is. The caller sorts on the host, once a batch:
     * that makes the sum deterministic.
     *
     * @param dTable added to, {@code dTableType}[tableRows, width]
     * @param dOut {@code dtype}[rows, width]
     * @param order i32[rows], the rows sorted by index, stably
     * @param offsets i32[segments + 1], the range in {@code order} of each index
     * @param distinct i32[segments], the indices that occur
     */
    public static void backward(
            Device device,
            long dTable,
            long dOut,
            long order,
            long offsets,
            long distinct,
            long segments,
            long width,
            DType dTableType,
            DType dtype) {
        long context = device.context();
        Status.check(
                context,
                Native.dpo4j_embedding_backward(
                        context,
                        dTable,
                        dOut,
                        order,
                        offsets,
                        distinct,
                        segments,
                        width,
                        dTableType.code(),
                        dtype.code()));
    }
}
