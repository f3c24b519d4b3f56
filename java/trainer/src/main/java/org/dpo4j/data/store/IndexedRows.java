package org.dpo4j.data.store;

import java.util.List;

/** A list that has some numbers of each row in an index, such as its lengths, so that they are known without reading rows. */
public interface IndexedRows {

    /** The {@link RowCodec#numbers} of a row. */
    int[] numbers(int row);

    /**
     * File and line, or element, of a row, for errors; only the number if the list does not know its files.
     *
     * @param row its position in the list
     * @param number what its source gave it
     */
    default String place(int row, int number) {
        return "row " + number;
    }

    /** As {@link #place(int, int)}, of any list; only the number if the list does not know its files. */
    static String place(List<?> rows, int row, int number) {
        return rows instanceof IndexedRows indexed ? indexed.place(row, number) : "row " + number;
    }
}
