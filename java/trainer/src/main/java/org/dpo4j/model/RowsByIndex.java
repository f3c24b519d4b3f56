package org.dpo4j.model;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Embedding;

/**
 * Rows sorted by the index that each carries, on the device: what goes from rows back to a table, in an order that
 * repeats. There are as many ranges as there are places for rows, so that sizes do not depend on how many indices occur; the
 * rest are empty ranges, whose blocks end at once.
 *
 * @param order i32[count], the rows
 * @param offsets i32[count + 1], the range of each index
 * @param distinct i32[count], the indices
 */
record RowsByIndex(long order, long offsets, long distinct, int count) {

    /** With places for {@code count} rows. */
    static RowsByIndex place(Layout layout, int count) {
        return new RowsByIndex(layout.words(count), layout.words(count + 1L), layout.words(count), count);
    }

    /** Puts the ranges of equal {@code values}, one value a row. There may be fewer rows than places. */
    void put(Indices indices, int[] values) {
        long[] keys = new long[values.length];
        for (int row = 0; row < values.length; row++) {
            keys[row] = (long) values[row] << 32 | row;
        }
        Arrays.sort(keys);
        int[] rows = new int[count];
        int[] begins = new int[count + 1];
        int[] each = new int[count];
        Arrays.fill(begins, keys.length);
        int ranges = 0;
        for (int i = 0; i < keys.length; i++) {
            rows[i] = (int) keys[i];
            int value = (int) (keys[i] >> 32);
            if (ranges == 0 || each[ranges - 1] != value) {
                each[ranges] = value;
                begins[ranges++] = i;
            }
        }
        indices.put(order, rows);
        indices.put(offsets, begins);
        indices.put(distinct, each);
    }

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
