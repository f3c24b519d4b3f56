package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.io.FloatFormats;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;

/**
 * Copies weights between host and device in pieces of at most 8 MiB, converts their dtype, and adds or drops padding. It
 * has two direct buffers, and a third one once a tensor is transposed. Use one object for all tensors, because direct
 * buffers are freed only when the garbage collector runs.
 */
final class Staging {
    static final int BYTES = 8 << 20;
    private static final int ELEMENTS = BYTES / 4;
    private static final int TILE = 32;
    /** Bytes of {@link #transposed}: at most so many, and so many times those of the other buffers. */
    private static final int TRANSPOSED_BYTES = 16 << 20;

    private static final int PIECES = 16;

    private ByteBuffer host;
    private ByteBuffer device;
    private ByteBuffer transposed = ByteBuffer.allocate(0);

    /** For any number of elements. */
    Staging() {
        this(ELEMENTS);
    }

    /** With smaller buffers if tensors have at most {@code count} elements. */
    Staging(long count) {
        int bytes = (int) Math.min(BYTES, Math.multiplyExact(count, 4L));
        host = allocate(bytes);
        device = allocate(bytes);
    }

    private static ByteBuffer allocate(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Fills a buffer with elements [begin, begin + n) of a tensor, where n is what fits. */
    @FunctionalInterface
    interface Reader {
        void read(long begin, ByteBuffer destination);
    }

    /** Receives elements [begin, begin + n). */
    @FunctionalInterface
    interface Writer {
        void write(long begin, ByteBuffer source);
    }

    /**
     * A flat buffer of a device.
     *
     * @param address of element 0
     * @param dtype storage of the elements
     */
    record Flat(Device device, long address, DType dtype) {
        private long at(long element) {
            return address + element * dtype.bytes();
        }

        /** Zeroes elements [begin, end). */
        void zero(long begin, long end) {
            if (begin < end) {
                device.fill(at(begin), 0, (end - begin) * dtype.bytes());
            }
        }
    }

    /** Uploads all elements of a tensor from a reader, in {@code format}. Zeroes the padding of its columns. */
    void upload(Flat target, Placement tensor, String format, Reader reader) {
        upload(target, tensor, 0, tensor.rowCount(), format, reader);
    }

    /** The same for rows [first, end) of the parameter, in the tensor's order. */
    void upload(Flat target, Placement tensor, int first, int end, String format, Reader reader) {
        if (tensor.isTransposed()) {
            uploadTransposed(target, tensor, first, end, format, reader);
            return;
        }
        long columns = tensor.columns().size();
        tensor.eachRun((run, runOffset, runRows) -> {
            long row = Math.max(first, run);
            int rows = (int) (Math.min(end, run + runRows) - row);
            long offset = runOffset + (row - run) * tensor.stride();
            if (rows <= 0) {
                return;
            }
            if (tensor.columns().isPadded()) {
                uploadRows(target, tensor, row, offset, rows, format, reader);
            } else {
                uploadElements(target, row * columns, offset, rows * columns, format, reader);
            }
        });
    }

    private void uploadElements(Flat target, long first, long offset, long count, String format, Reader reader) {
        int piece = host.capacity() / 4;
        for (long begin = 0; begin < count; begin += piece) {
            int elements = (int) Math.min(piece, count - begin);
            ByteBuffer read = format.equals(target.dtype.name()) ? device : host;
            read.clear().limit(elements * FloatFormats.bytes(format));
            reader.read(first + begin, read);
            if (read == host) {
                FloatFormats.convert(host.flip(), format, device.clear(), target.dtype.name());
            }
            target.device.upload(target.at(offset + begin), device.flip());
        }
    }

    private void uploadRows(
            Flat target, Placement tensor, long row, long offset, int count, String format, Reader reader) {
        Axis columns = tensor.columns();
        int piece = rowsPerPiece(tensor);
        for (int begin = 0; begin < count; begin += piece) {
            int rows = Math.min(piece, count - begin);
            host.clear().limit(rows * columns.size() * FloatFormats.bytes(format));
            reader.read((row + begin) * columns.size(), host);
            spread(host, 0, rows, columns, format, target.dtype);
            target.device.upload(target.at(offset + (long) begin * columns.paddedSize()), device);
        }
    }

    /** Reads the whole file for as many rows as fit into {@link #transposed}: many short reads would take longer. */
    private void uploadTransposed(Flat target, Placement tensor, int first, int end, String format, Reader reader) {
        int columns = tensor.columns().size();
        reserve(Math.max(tensor.rowCount(), tensor.stride()));
        int capacity = Math.max(host.capacity(), Math.min(TRANSPOSED_BYTES, PIECES * host.capacity()));
        if (transposed.capacity() < capacity) {
            transposed = allocate(capacity);
        }
        int piece = capacity / 4 / columns;
        for (int begin = first; begin < end; begin += piece) {
            int rows = Math.min(piece, end - begin);
            readTransposed(tensor, begin, rows, FloatFormats.bytes(format), reader);
            uploadRead(target, tensor, begin, begin + rows, format);
        }
    }

    /** Fills {@link #transposed} with rows [first, first + count). */
    private void readTransposed(Placement tensor, int first, int count, int bytes, Reader reader) {
        int columns = tensor.columns().size();
        int width = tensor.rowCount();
        int piece = host.capacity() / 4 / width;
        for (int column = 0; column < columns; column += piece) {
            int fileRows = Math.min(piece, columns - column);
            reader.read((long) column * width, host.clear().limit(fileRows * width * bytes));
            transpose(new Grid(host, fileRows, Axis.plain(width)), first, count, column, columns, bytes);
        }
    }

    /** Uploads rows [first, end), with which {@link #transposed} begins. */
    private void uploadRead(Flat target, Placement tensor, int first, int end, String format) {
        int piece = rowsPerPiece(tensor);
        tensor.eachRun((run, offset, rows) -> {
            int last = (int) Math.min(end, run + rows);
            for (int row = (int) Math.max(first, run); row < last; row += piece) {
                int count = Math.min(piece, last - row);
                spread(transposed, row - first, count, tensor.columns(), format, target.dtype);
                target.device.upload(target.at(offset + (row - run) * tensor.stride()), device);
            }
        });
    }

    /** Converts {@code rows} rows of {@code source}, from row {@code first} on, to {@link #device}, and adds padding of 0. */
    private void spread(ByteBuffer source, int first, int rows, Axis columns, String format, DType dtype) {
        int bytes = FloatFormats.bytes(format);
        int stride = columns.paddedSize() * dtype.bytes();
        device.clear();
        if (columns.isPadded()) {
            zero(device.limit(rows * stride));
        }
        for (int i = 0; i < rows; i++) {
            for (int column = 0; column < columns.size(); ) {
                int end = columns.runEnd(column);
                int begin = ((first + i) * columns.size() + column) * bytes;
                source.limit(begin + (end - column) * bytes).position(begin);
                device.position(i * stride + columns.at(column) * dtype.bytes());
                FloatFormats.convert(source, format, device, dtype.name());
                column = end;
            }
        }
        device.clear().limit(rows * stride);
    }

    /** Downloads all elements of a tensor and passes them to a writer in {@code format}, in order. */
    void download(Flat source, Placement tensor, DType format, Writer writer) {
        download(source, tensor, 0, tensor.count(), format, writer);
    }

    /** The same for elements [first, end) of the tensor. */
    void download(Flat source, Placement tensor, long first, long end, DType format, Writer writer) {
        if (tensor.isTransposed()) {
            downloadTransposed(source, tensor, first, end, format, clipped(first, end, format, writer));
            return;
        }
        long columns = tensor.columns().size();
        tensor.eachRun((row, offset, rows) -> {
            long from = Math.max(first, row * columns);
            long to = Math.min(end, (row + rows) * columns);
            if (from >= to) {
                return;
            }
            if (tensor.columns().isPadded()) {
                long firstRow = from / columns;
                long begin = offset + (firstRow - row) * tensor.stride();
                int count = (int) ((to + columns - 1) / columns - firstRow);
                downloadRows(source, tensor, firstRow, begin, count, format, clipped(from, to, format, writer));
            } else {
                downloadElements(source, from, offset + from - row * columns, to - from, format, writer);
            }
        });
    }

    /** Downloads {@code count} adjacent elements, from element {@code offset} of the flat buffer on. */
    void download(Flat source, long offset, long count, DType format, Writer writer) {
        downloadElements(source, 0, offset, count, format, writer);
    }

    private void downloadElements(Flat source, long first, long offset, long count, DType format, Writer writer) {
        int piece = host.capacity() / 4;
        for (long begin = 0; begin < count; begin += piece) {
            int elements = (int) Math.min(piece, count - begin);
            device.clear().limit(elements * source.dtype.bytes());
            source.device.download(device, source.at(offset + begin));
            FloatFormats.convert(device.rewind(), source.dtype.name(), host.clear(), format.name());
            writer.write(first + begin, host.flip());
        }
    }

    private void downloadRows(
            Flat source, Placement tensor, long row, long offset, int count, DType format, Writer writer) {
        Axis columns = tensor.columns();
        int piece = rowsPerPiece(tensor);
        for (int begin = 0; begin < count; begin += piece) {
            int rows = Math.min(piece, count - begin);
            device.clear().limit(rows * columns.paddedSize() * source.dtype.bytes());
            source.device.download(device, source.at(offset + (long) begin * columns.paddedSize()));
            host.clear();
            for (int i = 0; i < rows; i++) {
                gather(i, columns, source.dtype, format);
            }
            writer.write((row + begin) * columns.size(), host.flip());
        }
    }

    /** Appends row {@code i} of {@link #device}, which has padding, to {@link #host}. */
    private void gather(int i, Axis columns, DType dtype, DType format) {
        for (int column = 0; column < columns.size(); ) {
            int end = columns.runEnd(column);
            int begin = (i * columns.paddedSize() + columns.at(column)) * dtype.bytes();
            device.limit(begin + (end - column) * dtype.bytes()).position(begin);
            FloatFormats.convert(device, dtype.name(), host, format.name());
            column = end;
        }
    }

    /** Passes on whole rows of the file, as many as fit, until they contain all elements in [first, end). */
    private void downloadTransposed(Flat source, Placement tensor, long first, long end, DType format, Writer writer) {
        int width = tensor.rowCount();
        reserve(width);
        int piece = host.capacity() / 4 / width;
        int last = (int) ((end + width - 1) / width);
        for (int begin = (int) (first / width); begin < last; begin += piece) {
            int count = Math.min(piece, last - begin);
            collect(source, tensor, begin, count, format);
            writer.write((long) begin * width, host.clear().limit(count * width * format.bytes()));
        }
    }

    /** Fills {@link #host} with {@code count} columns of a tensor. Downloads all rows, since only they are adjacent. */
    private void collect(Flat source, Placement tensor, int column, int count, DType format) {
        int piece = rowsPerPiece(tensor);
        tensor.eachRun((row, offset, rows) -> {
            for (int begin = 0; begin < rows; begin += piece) {
                int length = Math.min(piece, rows - begin);
                int bytes = source.dtype.bytes();
                device.clear().limit(length * tensor.stride() * bytes);
                source.device.download(device, source.at(offset + (long) begin * tensor.stride()));
                transpose(new Grid(device, length, tensor.columns()), column, count, 0, length, bytes);
                for (int i = 0; i < count; i++) {
                    transposed.limit((i + 1) * length * bytes).position(i * length * bytes);
                    host.clear().position((int) (i * tensor.rowCount() + row + begin) * format.bytes());
                    FloatFormats.convert(transposed, source.dtype.name(), host, format.name());
                }
            }
        });
    }

    /** A matrix in a buffer. */
    private record Grid(ByteBuffer buffer, int rows, Axis columns) {}

    /**
     * Copies columns [first, first + count) of {@code source} to the rows of {@link #transposed}, from {@code column} on.
     * Copies tiles, whose rows and columns fit in the L1 cache together.
     *
     * @param stride elements of a row of {@link #transposed}
     * @param bytes bytes of an element
     */
    private void transpose(Grid source, int first, int count, int column, int stride, int bytes) {
        if (transposed.capacity() < host.capacity()) {
            transposed = allocate(host.capacity());
        }
        transposed.clear();
        source.buffer.clear();
        for (int i = 0; i < count; i += TILE) {
            int last = Math.min(count, i + TILE);
            for (int row = 0; row < source.rows; row += TILE) {
                int end = Math.min(source.rows, row + TILE);
                for (int j = i; j < last; j++) {
                    copyColumn(source, source.columns.at(first + j), row, end, j * stride + column, bytes);
                }
            }
        }
    }

    /** Copies rows [begin, end) of a column to elements {@code target + row} of {@link #transposed}. */
    private void copyColumn(Grid source, int column, int begin, int end, int target, int bytes) {
        int stride = source.columns.paddedSize();
        if (bytes == 4) {
            for (int row = begin; row < end; row++) {
                transposed.putInt(4 * (target + row), source.buffer.getInt(4 * (row * stride + column)));
            }
        } else {
            for (int row = begin; row < end; row++) {
                transposed.putShort(2 * (target + row), source.buffer.getShort(2 * (row * stride + column)));
            }
        }
    }

    /** Passes on elements [first, end) of what it receives. */
    private static Writer clipped(long first, long end, DType format, Writer writer) {
        return (begin, source) -> {
            int bytes = format.bytes();
            long from = Math.max(first, begin);
            long to = Math.min(end, begin + source.remaining() / bytes);
            source.limit((int) (to - begin) * bytes).position((int) (from - begin) * bytes);
            writer.write(from, source);
        };
    }

    /** Rows with padding that fit into the buffers. The buffers grow if a row does not fit. */
    private int rowsPerPiece(Placement tensor) {
        reserve(tensor.stride());
        return host.capacity() / 4 / tensor.stride();
    }

    /** Lets the buffers grow if they have room for fewer elements. */
    private void reserve(int elements) {
        if (elements > host.capacity() / 4) {
            host = allocate(4 * elements);
            device = allocate(4 * elements);
        }
    }

    private static void zero(ByteBuffer bytes) {
        while (bytes.remaining() >= Long.BYTES) {
            bytes.putLong(0);
        }
        while (bytes.hasRemaining()) {
            bytes.put((byte) 0);
        }
    }
}
