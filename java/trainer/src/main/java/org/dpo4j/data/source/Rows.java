package org.dpo4j.data.source;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/** Reads rows, one at a time. {@link RowFiles} opens a file in the format that it has, {@link RowSource} also several. */
public interface Rows extends AutoCloseable {

    /**
     * A row and its number, counted from 1: the line, or the element of an array. No two rows of a source have the same
     * number, and {@link Rows#place} finds the file and the line again.
     */
    record Row(int number, ObjectNode values) {}

    /** The next row, or null after the last. Throws {@link BadRow} if a row is malformed but later rows can be read. */
    @Nullable
    Row next() throws BadRow;

    /**
     * Checks what only all rows that were read show, such as a column that none has. {@link #next} calls it before it
     * returns null; a caller that ends before the last row calls it itself.
     */
    default void checkEnd() {}

    /** The number of the row read last. */
    int number();

    /** Share of the input that has been read, from 0 to 1; NaN if its size is unknown, as for a pipe. */
    default double share() {
        return Double.NaN;
    }

    /** Names file and line, or element, of the row with this number, for errors. It may be used after {@link #close}. */
    default String place(int number) {
        return places().apply(number);
    }

    /** As {@link #place}, without a reference to the file. */
    IntFunction<String> places();

    @Override
    void close();
}
