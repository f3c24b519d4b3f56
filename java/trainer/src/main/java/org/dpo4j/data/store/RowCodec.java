package org.dpo4j.data.store;

import java.nio.ByteBuffer;

/**
 * How a row is written to a store and read from it.
 *
 * @param <T> the row
 */
public interface RowCodec<T> {

    /** Name of the kind of rows, which a store records. */
    String kind();

    /**
     * What the index has of a row: its lengths, and what a run reads of every row at its start. So a start does not read
     * token ids.
     */
    int[] numbers(T row);

    /** Number of elements of {@link #numbers}. */
    int numberCount();

    /** Bytes that {@link #write} writes. */
    int bytes(T row);

    /** Writes what {@link #numbers} do not say. The buffer is little-endian. */
    void write(T row, ByteBuffer to);

    /** Reads a row. {@code from} begins with its bytes, and may go on with others. */
    T read(ByteBuffer from, int[] numbers);

    /** Writes token ids. */
    static void putIds(ByteBuffer to, int[] ids) {
        to.asIntBuffer().put(ids);
        to.position(to.position() + Integer.BYTES * ids.length);
    }

    /** Reads token ids. */
    static int[] getIds(ByteBuffer from, int count) {
        int[] ids = new int[count];
        from.asIntBuffer().get(ids);
        from.position(from.position() + Integer.BYTES * count);
        return ids;
    }
}
