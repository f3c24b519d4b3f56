package org.dpo4j.data;

/** Receives how far the rows of a file have been converted, on the thread that reads them. An exception ends reading. */
public interface ReadListener {
    /** Does nothing. */
    ReadListener NONE = (rows, share) -> {};

    /**
     * {@code rows} rows are converted. {@code share} is the share of the file that has been read, from 0 to 1, or NaN if the
     * size of the file is unknown, as for a pipe.
     */
    void converted(long rows, double share);

    /** Receives one line about the store of the rows: whether an earlier run wrote it, its size, the speed of conversion. */
    default void stored(String line) {}

    /** Receives one line that the user should read now, such as that a damaged store is replaced. */
    default void notice(String line) {}
}
