package org.dpo4j.model;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Embedding;

/**
 * Rows sorted by an index, on the device, to sum rows with the same index in a fixed order: gradients of token
 * embeddings or of hidden rows. The arrays have room for {@code count} distinct indices, so their sizes do not depend
 * on the values; unused ranges are empty, and their blocks exit at once.
 *
 * @param order i32[count], the rows in sorted order
 * @param offsets i32[count + 1], the range in {@code order} of each distinct index
 * @param distinct i32[count], the distinct indices
 */
record RowsByIndex(long order, long offsets, long distinct, int count) {

    /** Places arrays for {@code count} rows. */
    static RowsByIndex place(Layout layout, int count) {
        return new RowsByIndex(layout.words(count), layout.words(count + 1L), layout.words(count), count);
    }

    /**
     * Sorts the rows by {@code values}, one index per row, and sets the arrays. There may be fewer than {@code count}
     * rows.
     */
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

    /** Queues {@code table[index] += scale * sum of rows[row]} over the rows of each index. */
    void sum(Device device, Embedding.Table table, long rows, DType rowType) {
        Embedding.backward(device, table, rows, new Embedding.SortedRows(order, offsets, distinct, count), rowType);
    }
}
