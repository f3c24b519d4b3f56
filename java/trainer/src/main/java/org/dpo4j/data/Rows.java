package org.dpo4j.data;

import com.fasterxml.jackson.databind.node.ObjectNode;
import org.jspecify.annotations.Nullable;

/** The rows of a file, one at a time. {@link RowFiles} opens one for what the file holds. */
interface Rows extends AutoCloseable {

    /** A row and where it stands: the line, or the element of an array, counted from 1. */
    record Row(int number, ObjectNode values) {}

    /** The next row, or null after the last. Throws {@link BadRow} for a row that cannot be read where others can. */
    @Nullable
    Row next() throws BadRow;

    /** Where the last row stands. */
    int number();

    /** Line or row {@code number} of the file, for errors. */
    String place(int number);

    @Override
    void close();
}
