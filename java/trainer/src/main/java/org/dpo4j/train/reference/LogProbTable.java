package org.dpo4j.train.reference;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32C;
import org.dpo4j.data.store.SeenRows;
import org.jspecify.annotations.Nullable;

/**
 * Log-probs of rows under one reference, by {@link RowHash}: two sums for a pair, one for a completion. In a file: a
 * header with the name of the table, 24 bytes a row, and CRC32C of everything before it.
 */
public final class LogProbTable {
    private static final long MAGIC = 0x7367_6f6c_346f_7064L; // "dpo4logs"

    /** Version of the layout. Files of another version are not read. */
    private static final int VERSION = 1;

    private static final int NAME_BYTES = 64;
    private static final int HEADER_BYTES = Long.BYTES + 2 * Integer.BYTES + NAME_BYTES;
    private static final int ROW_BYTES = 2 * Long.BYTES + 2 * Float.BYTES;

    /** NaN, stored in place of the second sum, which a single completion does not have. */
    private static final float ABSENT = Float.NaN;

    private final SeenRows places = new SeenRows();
    private long[] hashes = new long[128];
    private float[] sums = new float[128];
    private int rows;

    /** Number of rows. */
    public int rows() {
        return rows;
    }

    /** The sums of a row, {@code count} of them; null if the table has none. */
    public float @Nullable [] find(RowHash row, int count) {
        int place = places.find(row.high(), row.low());
        return place == SeenRows.NONE ? null : Arrays.copyOfRange(sums, 2 * place, 2 * place + count);
    }

    /** Adds the one or two sums of a row. A row that the table has already is not changed. */
    public void add(RowHash row, float[] logProbs) {
        if (places.find(row.high(), row.low()) != SeenRows.NONE) {
            return;
        }
        if (2 * rows == hashes.length) {
            hashes = Arrays.copyOf(hashes, Math.multiplyExact(2, hashes.length));
            sums = Arrays.copyOf(sums, hashes.length);
        }
        places.add(row.high(), row.low(), rows);
        hashes[2 * rows] = row.high();
        hashes[2 * rows + 1] = row.low();
        sums[2 * rows] = logProbs[0];
        sums[2 * rows + 1] = logProbs.length == 1 ? ABSENT : logProbs[1];
        rows++;
    }

    /** Adds the rows of another table that this one has not. */
    void addAll(LogProbTable other) {
        for (int row = 0; row < other.rows; row++) {
            add(
                    new RowHash(other.hashes[2 * row], other.hashes[2 * row + 1]),
                    Arrays.copyOfRange(other.sums, 2 * row, 2 * row + 2));
        }
    }

    /** The content of a file. {@code name}: 64 hexadecimal digits. */
    byte[] bytes(String name) {
        int bytes = Math.addExact(HEADER_BYTES + Long.BYTES, Math.multiplyExact(ROW_BYTES, rows));
        ByteBuffer file = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(MAGIC).putInt(VERSION).putInt(rows).put(nameBytes(name));
        for (int row = 0; row < rows; row++) {
            file.putLong(hashes[2 * row]).putLong(hashes[2 * row + 1]);
            file.putFloat(sums[2 * row]).putFloat(sums[2 * row + 1]);
        }
        return file.putLong(checksum(file.array(), bytes - Long.BYTES)).array();
    }

    /** Reads a file. Throws, with the reason, if it is not whole or of another name. */
    static LogProbTable read(byte[] content, String name) throws IOException {
        ByteBuffer file = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
        if (content.length < HEADER_BYTES + Long.BYTES || file.getLong() != MAGIC || file.getInt() != VERSION) {
            throw new IOException("it is not a file of reference log-probs of this version of dpo4j");
        }
        int rows = file.getInt();
        long expected = HEADER_BYTES + (long) ROW_BYTES * rows + Long.BYTES;
        if (rows < 0 || content.length != expected) {
            throw new IOException("it has " + content.length + " bytes instead of " + expected);
        }
        int end = content.length - Long.BYTES;
        if (file.getLong(end) != checksum(content, end)) {
            throw new IOException("its content was changed");
        }
        byte[] written = new byte[NAME_BYTES];
        file.get(written);
        if (!Arrays.equals(written, nameBytes(name))) {
            throw new IOException("it was renamed");
        }
        LogProbTable table = new LogProbTable();
        for (int row = 0; row < rows; row++) {
            table.add(new RowHash(file.getLong(), file.getLong()), new float[] {file.getFloat(), file.getFloat()});
        }
        return table;
    }

    private static byte[] nameBytes(String name) {
        byte[] bytes = name.getBytes(StandardCharsets.US_ASCII);
        if (bytes.length != NAME_BYTES) {
            throw new IllegalArgumentException(name);
        }
        return bytes;
    }

    private static long checksum(byte[] bytes, int count) {
        CRC32C checksum = new CRC32C();
        checksum.update(bytes, 0, count);
        return checksum.getValue();
    }
}
