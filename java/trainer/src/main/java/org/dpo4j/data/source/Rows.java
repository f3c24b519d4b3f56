package org.dpo4j.data.source;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.jspecify.annotations.Nullable;

/** Reads the rows of a file, one at a time. {@link RowFiles} opens a file in the format that it has. */
public interface Rows extends AutoCloseable {

    /** A row and its number: the line, or the element of an array, counted from 1. */
    record Row(int number, ObjectNode values) {}

    /** The next row, or null after the last. Throws {@link BadRow} if a row is malformed but later rows can be read. */
    @Nullable
    Row next() throws BadRow;

    /** The number of the row read last. */
    int number();

    /** Names line or row {@code number} of the file, for errors. */
    String place(int number);

    @Override
    void close();
}
