package org.dpo4j.data.store;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.BitSet;

/** The index of a store while its rows are written. */
final class StoreIndex {
    private final int lengthCount;
    private long[] offsets = new long[64];
    private int[] lengths;
    private int rows;

    StoreIndex(int lengthCount) {
        this.lengthCount = lengthCount;
        this.lengths = new int[offsets.length * lengthCount];
    }

    int rows() {
        return rows;
    }

    void add(long offset, int[] lengthsOfRow) {
        if (rows == offsets.length) {
            int larger = rows + rows / 2;
            offsets = Arrays.copyOf(offsets, larger);
            lengths = Arrays.copyOf(lengths, Math.multiplyExact(larger, lengthCount));
        }
        offsets[rows] = offset;
        System.arraycopy(lengthsOfRow, 0, lengths, rows * lengthCount, lengthCount);
        rows++;
    }

    /** Removes rows by number. Later rows move up. */
    void remove(BitSet numbers) {
        int kept = 0;
        for (int row = 0; row < rows; row++) {
            if (!numbers.get(row)) {
                offsets[kept] = offsets[row];
                System.arraycopy(lengths, row * lengthCount, lengths, kept * lengthCount, lengthCount);
                kept++;
            }
        }
        rows = kept;
    }

    /** The bytes of rows {@code begin} to {@code end} - 1. */
    ByteBuffer bytes(int begin, int end) {
        ByteBuffer bytes = ByteBuffer.allocate((end - begin) * (Long.BYTES + Integer.BYTES * lengthCount))
                .order(ByteOrder.LITTLE_ENDIAN);
        for (int row = begin; row < end; row++) {
            bytes.putLong(offsets[row]);
            for (int i = 0; i < lengthCount; i++) {
                bytes.putInt(lengths[row * lengthCount + i]);
            }
        }
        return bytes.flip();
    }
}
