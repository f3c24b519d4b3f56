package org.dpo4j.data.store;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.BitSet;

/** The index of a store while its rows are written. */
final class StoreIndex {
    private final int numberCount;
    private long[] offsets = new long[64];
    private int[] numbers;
    private int rows;

    StoreIndex(int numberCount) {
        this.numberCount = numberCount;
        this.numbers = new int[offsets.length * numberCount];
    }

    int rows() {
        return rows;
    }

    void add(long offset, int[] numbersOfRow) {
        if (rows == offsets.length) {
            int larger = rows + rows / 2;
            offsets = Arrays.copyOf(offsets, larger);
            numbers = Arrays.copyOf(numbers, Math.multiplyExact(larger, numberCount));
        }
        offsets[rows] = offset;
        System.arraycopy(numbersOfRow, 0, numbers, rows * numberCount, numberCount);
        rows++;
    }

    /** Removes rows by number. Later rows move up. */
    void remove(BitSet removed) {
        int kept = 0;
        for (int row = 0; row < rows; row++) {
            if (!removed.get(row)) {
                offsets[kept] = offsets[row];
                System.arraycopy(numbers, row * numberCount, numbers, kept * numberCount, numberCount);
                kept++;
            }
        }
        rows = kept;
    }

    /** The bytes of rows {@code begin} to {@code end} - 1. */
    ByteBuffer bytes(int begin, int end) {
        ByteBuffer bytes = ByteBuffer.allocate((end - begin) * (Long.BYTES + Integer.BYTES * numberCount))
                .order(ByteOrder.LITTLE_ENDIAN);
        for (int row = begin; row < end; row++) {
            bytes.putLong(offsets[row]);
            for (int i = 0; i < numberCount; i++) {
                bytes.putInt(numbers[row * numberCount + i]);
            }
        }
        return bytes.flip();
    }
}
