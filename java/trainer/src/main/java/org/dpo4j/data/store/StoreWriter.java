package org.dpo4j.data.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.zip.CRC32C;
import org.dpo4j.io.DirectoryFiles;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Writes rows to a store. The first rows are kept in memory. A temporary file is created when they exceed {@link
 * #MEMORY_BYTES}, or when the store is to be kept. The file gets its name when it is complete.
 */
public final class StoreWriter<T> implements AutoCloseable {
    /** A store of fewer bytes that is not to be kept needs no file. */
    static final int MEMORY_BYTES = 8 << 20;

    private static final int INDEX_ROWS = 1 << 16;

    private final RowCodec<T> codec;
    private final StoreDirectory directory;
    private final StoreIndex index;
    private ByteBuffer buffer = ByteBuffer.allocate(1 << 16).order(ByteOrder.LITTLE_ENDIAN);
    private @Nullable TemporaryFile file;
    private long written;
    private long maxRowBytes;

    public StoreWriter(RowCodec<T> codec, StoreDirectory directory) {
        this.codec = codec;
        this.directory = directory;
        this.index = new StoreIndex(codec.numberCount());
        buffer.position(StoreHeader.BYTES);
    }

    /** Number of rows written. */
    public int rows() {
        return index.rows();
    }

    public void add(T row) {
        int bytes = codec.bytes(row);
        if (bytes > buffer.remaining()) {
            makeRoom(bytes);
        }
        index.add(written + buffer.position(), codec.numbers(row));
        codec.write(row, buffer);
        maxRowBytes = Math.max(maxRowBytes, bytes);
    }

    /** Removes rows that were added, by number. Their bytes stay. */
    public void remove(BitSet numbers) {
        index.remove(numbers);
    }

    private void makeRoom(int bytes) {
        if (written + buffer.position() + bytes > MEMORY_BYTES) {
            attempt(() -> flush(file()));
        }
        if (bytes > buffer.remaining()) {
            int larger = Math.max(buffer.position() + bytes, Math.min(MEMORY_BYTES, 2 * buffer.capacity()));
            buffer = ByteBuffer.allocate(larger).order(ByteOrder.LITTLE_ENDIAN).put(buffer.flip());
        }
    }

    /**
     * The rows that were added.
     *
     * @param name name of the file in the directory, which appears when it is complete; null if the rows are needed only by
     *     this process
     * @param notes text that is stored with the rows
     */
    public StoredRows<T> finish(@Nullable String name, String notes) {
        if (name == null && file == null) {
            return StoredRows.inMemory(codec, buffer.flip(), index, maxRowBytes);
        }
        return attempt(() -> {
            TemporaryFile to = file();
            StoreHeader header = writeEnd(to, notes.getBytes(StandardCharsets.UTF_8));
            StoredRows<T> rows = StoredRows.map(codec, to.channel(), header);
            if (name != null) {
                to.channel().force(true);
                to.rename(directory.file(name));
                DirectoryFiles.force(directory.path());
            }
            return rows;
        });
    }

    private StoreHeader writeEnd(TemporaryFile to, byte[] notes) throws IOException {
        flush(to);
        long indexAt = written;
        CRC32C checksum = new CRC32C();
        for (int begin = 0; begin < index.rows(); begin += INDEX_ROWS) {
            append(to, index.bytes(begin, Math.min(index.rows(), begin + INDEX_ROWS)), checksum);
        }
        append(to, ByteBuffer.wrap(notes), checksum);
        StoreHeader header = new StoreHeader(
                codec.numberCount(), index.rows(), indexAt, maxRowBytes, notes.length, (int) checksum.getValue());
        write(to.channel(), header.bytes(), 0);
        return header;
    }

    private void append(TemporaryFile to, ByteBuffer bytes, CRC32C checksum) throws IOException {
        checksum.update(bytes.duplicate());
        long at = written;
        written += bytes.remaining();
        write(to.channel(), bytes, at);
    }

    private void flush(TemporaryFile to) throws IOException {
        long at = written;
        written += buffer.position();
        write(to.channel(), buffer.flip(), at);
        buffer.clear();
    }

    private static void write(FileChannel channel, ByteBuffer bytes, long at) throws IOException {
        long to = at;
        while (bytes.hasRemaining()) {
            to += channel.write(bytes, to);
        }
    }

    private TemporaryFile file() throws IOException {
        TemporaryFile to = file;
        if (to == null) {
            to = directory.create();
            file = to;
        }
        return to;
    }

    private interface Attempt<R> {
        R run() throws IOException;
    }

    private void attempt(AttemptWithoutResult action) {
        attempt(() -> {
            action.run();
            return true;
        });
    }

    private interface AttemptWithoutResult {
        void run() throws IOException;
    }

    private <R> R attempt(Attempt<R> action) {
        try {
            return action.run();
        } catch (IOException e) {
            throw directory.unwritable(e, written);
        }
    }

    /** Deletes the temporary file, unless it is complete. Rows that are mapped stay readable. */
    @Override
    public void close() {
        try {
            if (file != null) {
                file.close();
            }
        } catch (IOException e) {
            throw new Dpo4jException(
                    directory + ": a temporary file cannot be deleted (" + FileErrors.reason(e)
                            + "); delete it by hand",
                    e);
        }
    }
}
