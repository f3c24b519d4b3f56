package org.dpo4j.model;

import java.util.List;

/**
 * Where the elements of a tensor are in the flat buffers. The tensor is a matrix of some rows of a parameter; a vector
 * is a matrix of one column. Elements are numbered without padding, in the order of files: row by row, or column by column
 * if files hold the tensor transposed.
 *
 * @param offset first element of the parameter in the flat buffers
 * @param rows rows of the parameter that the tensor holds, in the tensor's order. A tensor whose rows have another order
 *     than the parameter's has several ranges
 * @param columns columns of the parameter
 * @param isTransposed whether files hold the tensor as [columns, rows]
 */
record Placement(long offset, List<RowRange> rows, Axis columns, boolean isTransposed) {

    /** Rows {@code [begin, begin + count)} of a parameter, counted without padding. */
    record RowRange(Axis rows, int begin, int count) {}

    /** Rows that follow each other in the tensor and in memory. */
    @FunctionalInterface
    interface RunAction {

        /**
         * @param row first row of the tensor
         * @param offset first element of that row in the flat buffers
         * @param count number of rows
         */
        void accept(long row, long offset, int count);
    }

    /** Elements between the starts of two rows in memory. */
    int stride() {
        return columns.paddedSize();
    }

    /** Number of rows of the tensor. */
    int rowCount() {
        return rows.stream().mapToInt(RowRange::count).sum();
    }

    /** Number of elements of the tensor. */
    long count() {
        return (long) rowCount() * columns.size();
    }

    /** First element of the tensor in the flat buffers. */
    long first() {
        return rowOffset(rows.get(0), 0);
    }

    /** Visits all rows, as few times as padding and the order of rows allow. */
    void eachRun(RunAction action) {
        long row = 0;
        for (RowRange range : rows) {
            for (int i = 0; i < range.count; ) {
                int end = Math.min(range.count, range.rows.runEnd(range.begin + i) - range.begin);
                action.accept(row + i, rowOffset(range, i), end - i);
                i = end;
            }
            row += range.count;
        }
    }

    private long rowOffset(RowRange range, int row) {
        return offset + (long) range.rows.at(range.begin + row) * stride();
    }
}
