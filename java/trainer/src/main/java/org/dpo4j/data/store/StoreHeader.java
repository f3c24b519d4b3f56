package org.dpo4j.data.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * The first bytes of a store. After them come the rows, then the index, then notes. A row of the index is the offset of a
 * row in the file and its {@link RowCodec#numbers}.
 *
 * @param numberCount numbers of a row in the index
 * @param rows number of rows
 * @param indexAt offset of the index: the end of the rows
 * @param maxRowBytes bytes of the longest row
 * @param noteBytes bytes of the notes, which the caller of the store chooses
 * @param checksum CRC32C of index and notes
 */
record StoreHeader(int numberCount, long rows, long indexAt, long maxRowBytes, long noteBytes, int checksum) {
    static final int BYTES = 64;
    private static final long MAGIC = 0x73776f72346f7064L; // "dpo4rows"

    /** Version of the layout. Stores of another version are not read. */
    private static final int VERSION = 2;

    private static final int CHECKED_BYTES = 56;

    int indexRowBytes() {
        return Long.BYTES + Integer.BYTES * numberCount;
    }

    long indexBytes() {
        return rows * indexRowBytes();
    }

    long fileBytes() {
        return indexAt + indexBytes() + noteBytes;
    }

    ByteBuffer bytes() {
        ByteBuffer header = ByteBuffer.allocate(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        header.putLong(MAGIC).putInt(VERSION).putInt(numberCount).putLong(rows).putLong(indexAt);
        header.putLong(maxRowBytes).putLong(noteBytes).putInt(checksum);
        return header.putLong(CHECKED_BYTES, checksumOf(header)).rewind();
    }

    private static long checksumOf(ByteBuffer header) {
        CRC32C checksum = new CRC32C();
        checksum.update(header.duplicate().rewind().limit(CHECKED_BYTES));
        return checksum.getValue();
    }

    /** Reads a header. Throws if it is damaged, or if a file of {@code fileBytes} bytes is not the whole store. */
    static StoreHeader read(ByteBuffer header, long fileBytes) throws IOException {
        header.order(ByteOrder.LITTLE_ENDIAN);
        if (header.remaining() < BYTES || header.getLong() != MAGIC || header.getInt() != VERSION) {
            throw new IOException("it is not a store of this version of dpo4j");
        }
        if (header.getLong(CHECKED_BYTES) != checksumOf(header)) {
            throw new IOException("its header was changed");
        }
        StoreHeader read = new StoreHeader(
                header.getInt(),
                header.getLong(),
                header.getLong(),
                header.getLong(),
                header.getLong(),
                header.getInt());
        if (read.fileBytes() != fileBytes) {
            throw new IOException("it has " + fileBytes + " bytes instead of " + read.fileBytes());
        }
        return read;
    }
}
