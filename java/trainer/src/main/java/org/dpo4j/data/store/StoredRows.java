package org.dpo4j.data.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.AbstractList;
import java.util.RandomAccess;
import java.util.function.IntFunction;
import java.util.zip.CRC32C;

/**
 * The rows of a store. Each {@link #get} reads one row from mapped memory, which the operating system loads and drops as
 * needed, so rows do not occupy the heap. Several threads may read at once.
 */
public final class StoredRows<T> extends AbstractList<T> implements RandomAccess, IndexedRows {
    /** A mapping of a file has at most 2^31 - 1 bytes, so the rows are mapped in parts of this many. */
    private static final int PART_BITS = 30;

    private final RowCodec<T> codec;
    private final StoreHeader header;
    private final ByteBuffer[] parts;
    private final ByteBuffer[] index;
    private final int rowsPerIndexPart;
    private final int partBits;
    private final IntFunction<String> places;

    private StoredRows(
            RowCodec<T> codec,
            StoreHeader header,
            ByteBuffer[] parts,
            ByteBuffer[] index,
            int rowsPerIndexPart,
            int partBits,
            IntFunction<String> places) {
        this.codec = codec;
        this.header = header;
        this.parts = parts;
        this.index = index;
        this.rowsPerIndexPart = rowsPerIndexPart;
        this.partBits = partBits;
        this.places = places;
    }

    /** The same rows, whose {@link #place} is that of their source. */
    public StoredRows<T> withPlaces(IntFunction<String> ofSource) {
        return new StoredRows<>(codec, header, parts, index, rowsPerIndexPart, partBits, ofSource);
    }

    /** Rows in memory: {@code data} has the rows, and offsets of the index count from its beginning. */
    static <T> StoredRows<T> inMemory(RowCodec<T> codec, ByteBuffer data, StoreIndex index, long maxRowBytes) {
        StoreHeader header = new StoreHeader(codec.numberCount(), index.rows(), data.limit(), maxRowBytes, 0, 0);
        ByteBuffer[] parts = {data};
        ByteBuffer[] indexParts = {index.bytes(0, index.rows())};
        return new StoredRows<>(
                codec, header, parts, indexParts, Math.max(1, index.rows()), PART_BITS, number -> "row " + number);
    }

    /** Maps a file. */
    static <T> StoredRows<T> map(RowCodec<T> codec, FileChannel channel, StoreHeader header) throws IOException {
        return map(codec, channel, header, PART_BITS);
    }

    /** Maps a file in parts of {@code 2^partBits} bytes. A part continues to the end of the row that begins last in it. */
    static <T> StoredRows<T> map(RowCodec<T> codec, FileChannel channel, StoreHeader header, int partBits)
            throws IOException {
        long partBytes = 1L << partBits;
        ByteBuffer[] parts = new ByteBuffer[(int) ((header.indexAt() + partBytes - 1) >> partBits)];
        for (int i = 0; i < parts.length; i++) {
            long begin = (long) i << partBits;
            long end = Math.min(header.indexAt(), begin + partBytes + header.maxRowBytes());
            parts[i] = map(channel, begin, end);
        }
        int rowsPerPart = (1 << partBits) / header.indexRowBytes();
        ByteBuffer[] index = new ByteBuffer[(int) ((header.rows() + rowsPerPart - 1) / rowsPerPart)];
        for (int i = 0; i < index.length; i++) {
            long begin = header.indexAt() + (long) i * rowsPerPart * header.indexRowBytes();
            long end = Math.min(
                    header.indexAt() + header.indexBytes(), begin + (long) rowsPerPart * header.indexRowBytes());
            index[i] = map(channel, begin, end);
        }
        return new StoredRows<>(codec, header, parts, index, rowsPerPart, partBits, number -> "row " + number);
    }

    private static ByteBuffer map(FileChannel channel, long begin, long end) throws IOException {
        return channel.map(FileChannel.MapMode.READ_ONLY, begin, end - begin).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** The notes of a store of this kind, once its size and checksums are correct. */
    static String notes(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            StoreHeader header = header(channel);
            ByteBuffer checked = ByteBuffer.allocate(1 << 20);
            CRC32C checksum = new CRC32C();
            for (long at = header.indexAt(); at < header.fileBytes(); at += checked.limit()) {
                checked.clear().limit((int) Math.min(checked.capacity(), header.fileBytes() - at));
                read(channel, checked, at);
                checksum.update(checked.flip());
            }
            if ((int) checksum.getValue() != header.checksum()) {
                throw new IOException("its index was changed");
            }
            ByteBuffer notes = ByteBuffer.allocate((int) header.noteBytes());
            read(channel, notes, header.fileBytes() - header.noteBytes());
            return new String(notes.array(), StandardCharsets.UTF_8);
        }
    }

    /** The rows of a file whose {@link #notes} were read. */
    static <T> StoredRows<T> open(RowCodec<T> codec, Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            StoreHeader header = header(channel);
            if (header.numberCount() != codec.numberCount()) {
                throw new IOException("it has rows of another kind");
            }
            return map(codec, channel, header);
        }
    }

    private static StoreHeader header(FileChannel channel) throws IOException {
        long fileBytes = channel.size();
        ByteBuffer bytes = ByteBuffer.allocate(StoreHeader.BYTES);
        read(channel, bytes, 0);
        return StoreHeader.read(bytes.flip(), fileBytes);
    }

    private static void read(FileChannel channel, ByteBuffer into, long at) throws IOException {
        while (into.hasRemaining() && channel.read(into, at + into.position()) >= 0) {
            // until it is full, or the file ends
        }
    }

    @Override
    public int size() {
        return (int) header.rows();
    }

    /** Bytes of the rows. */
    public long bytes() {
        return header.indexAt();
    }

    /** Whether the rows are in a file. */
    public boolean isMapped() {
        return parts.length > 0 && parts[0].isDirect();
    }

    @Override
    public String place(int row, int number) {
        return places.apply(number);
    }

    @Override
    public int[] numbers(int row) {
        ByteBuffer from = index[checked(row) / rowsPerIndexPart];
        int at = row % rowsPerIndexPart * header.indexRowBytes() + Long.BYTES;
        int[] numbers = new int[header.numberCount()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = from.getInt(at + Integer.BYTES * i);
        }
        return numbers;
    }

    @Override
    public T get(int row) {
        long begin = offset(checked(row));
        long end = row + 1 == size() ? header.indexAt() : offset(row + 1);
        ByteBuffer part = parts[(int) (begin >> partBits)];
        int at = (int) (begin & ((1L << partBits) - 1));
        int length = (int) Math.min(end - begin, header.maxRowBytes()); // removed rows may lie between
        ByteBuffer bytes = part.slice(at, length).order(ByteOrder.LITTLE_ENDIAN);
        return codec.read(bytes, numbers(row));
    }

    private long offset(int row) {
        return index[row / rowsPerIndexPart].getLong(row % rowsPerIndexPart * header.indexRowBytes());
    }

    private int checked(int row) {
        if (row < 0 || row >= size()) {
            throw new IndexOutOfBoundsException("row " + row + " of " + size());
        }
        return row;
    }
}
