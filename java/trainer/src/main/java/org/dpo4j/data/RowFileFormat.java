package org.dpo4j.data;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * A format of files of rows that another artifact reads, because it needs a library of its own. {@link
 * java.util.ServiceLoader} finds implementations; {@code dpo4j-parquet} has one for Parquet. JSON needs none.
 *
 * <p>An implementation has no state: its methods may be called from several threads at the same time.
 */
public interface RowFileFormat {

    /** Number of first bytes that {@link #matches} needs at most. */
    int HEAD_BYTES = 1 << 16;

    /** Whether a file with these first bytes has this format. A shorter array is a whole file. */
    boolean matches(byte[] head);

    /**
     * Opens a regular file. The caller closes the result.
     *
     * @throws IOException if the file cannot be read or is damaged; the message says why, without naming the file
     */
    Reader open(Path file) throws IOException;

    /**
     * Reads a file from its first row to its last. One thread uses it, from {@link #open} to {@link #close}. It may read
     * ahead on threads of its own, which end with {@link #close}.
     */
    interface Reader extends AutoCloseable {

        /**
         * The next row, or null after the last. The row belongs to the caller. A column without a value is null, times
         * are text in ISO 8601, bytes are a binary node, which no column of text may be.
         *
         * @throws IOException if the file is damaged here; no row after it can be read
         */
        @Nullable
        ObjectNode next() throws IOException;

        /** Share of the rows that have been read, from 0 to 1; NaN if their number is unknown. */
        default double share() {
            return Double.NaN;
        }

        @Override
        void close() throws IOException;
    }
}
