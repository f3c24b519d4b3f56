package org.dpo4j.model;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Embedding;

/**
 * Rows sorted by the index that each carries, on the device: what goes from rows back to a table, in an order that
 * repeats. There are as many ranges as there are places for rows, so that sizes do not tell how many indices occur; the
 * rest are empty, and cost blocks that end at once.
 *
 * @param order i32[count], the rows
 * @param offsets i32[count + 1], the range of each index
 * @param distinct i32[count], the indices
 */
record RowsByIndex(long order, long offsets, long distinct, int count) {

    /** Queues {@code table[index] += sum of rows[row]} over the rows of each index. */
    void sum(Device device, long table, long rows, int width, DType tableType, DType rowType) {
        Embedding.backward(
                device,
                new Embedding.Table(table, width, tableType),
                rows,
                new Embedding.SortedRows(order, offsets, distinct, count),
                rowType);
    }
}
