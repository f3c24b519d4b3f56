package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.io.FloatFormats;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;

/**
 * Copies weights between host and device in pieces of at most 8 MiB, converts their dtype, and adds or drops padding. It
 * has two direct buffers. Use one object for all tensors, because direct buffers are freed only when the garbage
 * collector runs.
 */
final class Staging {
    static final int BYTES = 8 << 20;
    private static final int ELEMENTS = BYTES / 4;

    private ByteBuffer host;
    private ByteBuffer device;

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
    }

    /** Uploads all elements of a tensor from a reader, in {@code format}. Zeroes the padding of its columns. */
    void upload(Flat target, Placement tensor, String format, Reader reader) {
        long columns = tensor.columns().size();
        tensor.eachRun((row, offset, rows) -> {
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
            host.clear().limit(elements * FloatFormats.bytes(format));
            reader.read(first + begin, host);
            FloatFormats.convert(host.flip(), format, device.clear(), target.dtype.name());
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
            zero(device.clear().limit(rows * columns.paddedSize() * target.dtype.bytes()));
            for (int i = 0; i < rows; i++) {
                spread(i, columns, format, target.dtype);
            }
            int bytes = rows * columns.paddedSize() * target.dtype.bytes();
            target.device.upload(
                    target.at(offset + (long) begin * columns.paddedSize()),
                    device.clear().limit(bytes));
        }
    }

    /** Converts row {@code i} of {@link #host} to row {@code i} of {@link #device}, which has padding. */
    private void spread(int i, Axis columns, String format, DType dtype) {
        int bytes = FloatFormats.bytes(format);
        for (int column = 0; column < columns.size(); column = columns.runEnd(column)) {
            int begin = (i * columns.size() + column) * bytes;
            host.limit(begin + columns.width() * bytes).position(begin);
            device.position((i * columns.paddedSize() + columns.at(column)) * dtype.bytes());
            FloatFormats.convert(host, format, device, dtype.name());
        }
    }

    /** Downloads all elements of a tensor and passes them to a writer in {@code format}, in order. */
    void download(Flat source, Placement tensor, DType format, Writer writer) {
        download(source, tensor, 0, tensor.count(), format, writer);
    }

    /** The same for elements [first, end) of the tensor. */
    void download(Flat source, Placement tensor, long first, long end, DType format, Writer writer) {
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
        for (int column = 0; column < columns.size(); column = columns.runEnd(column)) {
            int begin = (i * columns.paddedSize() + columns.at(column)) * dtype.bytes();
            device.limit(begin + columns.width() * dtype.bytes()).position(begin);
            FloatFormats.convert(device, dtype.name(), host, format.name());
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
        int stride = tensor.stride();
        if (stride > host.capacity() / 4) {
            host = allocate(4 * stride);
            device = allocate(4 * stride);
        }
        return host.capacity() / 4 / stride;
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
