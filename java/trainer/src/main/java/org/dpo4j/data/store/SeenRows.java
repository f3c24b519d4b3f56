package org.dpo4j.data.store;

/**
 * The fingerprints of the rows of a data set, to find rows that repeat or contradict an earlier one. A hash table with
 * open addressing and linear probing in flat arrays: 20 bytes a slot, 23 to 35 bytes a row.
 */
public final class SeenRows {
    /** No row. */
    public static final int NONE = -1;

    /** A row that was seen but is not used. */
    public static final int DROPPED = Integer.MAX_VALUE - 1;

    private static final int FIRST_SLOTS = 1024;
    private static final double MAX_LOAD = 7.0 / 8;
    private static final double GROWTH = 1.5;

    private long[] high = new long[FIRST_SLOTS];
    private long[] low = new long[FIRST_SLOTS];
    /** The row of a slot plus 1; 0 if it is free. */
    private int[] rows = new int[FIRST_SLOTS];

    private int count;

    /** The number that was added with this fingerprint; {@link #NONE} if there is none. */
    public int find(long high, long low) {
        return rows[slot(high, low)] - 1;
    }

    /** Adds the number of a row whose fingerprint was not found. */
    public void add(long high, long low, int row) {
        if (count + 1 > MAX_LOAD * rows.length) {
            grow();
        }
        put(high, low, row + 1);
        count++;
    }

    private void put(long high, long low, int row) {
        int slot = slot(high, low);
        this.high[slot] = high;
        this.low[slot] = low;
        rows[slot] = row;
    }

    /** The slot of a fingerprint, or the free one where it belongs. */
    private int slot(long high, long low) {
        int slot = (int) Math.floorMod(high, (long) rows.length);
        while (rows[slot] != 0 && (this.high[slot] != high || this.low[slot] != low)) {
            slot = slot + 1 == rows.length ? 0 : slot + 1;
        }
        return slot;
    }

    private void grow() {
        long[] oldHigh = high;
        long[] oldLow = low;
        int[] oldRows = rows;
        int slots = (int) Math.min(GROWTH * oldRows.length, Integer.MAX_VALUE - 8);
        high = new long[slots];
        low = new long[slots];
        rows = new int[slots];
        for (int i = 0; i < oldRows.length; i++) {
            if (oldRows[i] != 0) {
                put(oldHigh[i], oldLow[i], oldRows[i]);
            }
        }
    }

    /** Bytes of the arrays. */
    public long bytes() {
        return 20L * rows.length;
    }
}
