package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.io.FloatFormats;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;

/**
 * Copies weights between host and device in pieces of at most 8 MiB and converts their dtype. It has two direct
 * buffers. Use one object for all tensors, because direct buffers are freed only when the garbage collector runs.
 */
final class Staging {
    static final int BYTES = 8 << 20;
    private static final int ELEMENTS = BYTES / 4;

    private final ByteBuffer host;
    private final ByteBuffer device;

    /** For any number of elements. */
    Staging() {
        this(ELEMENTS);
    }

    /** With smaller buffers if tensors have at most {@code count} elements. */
    Staging(long count) {
        int bytes = (int) Math.min(BYTES, Math.multiplyExact(count, 4L));
        host = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
        device = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
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

    /** Uploads {@code count} elements of {@code format} from a reader to {@code address}, stored as {@code dtype}. */
    void upload(Device target, long address, DType dtype, long count, String format, Reader reader) {
        int piece = host.capacity() / 4;
        for (long begin = 0; begin < count; begin += piece) {
            int elements = (int) Math.min(piece, count - begin);
            host.clear().limit(elements * FloatFormats.bytes(format));
            reader.read(begin, host);
            FloatFormats.convert(host.flip(), format, device.clear(), dtype.name());
            target.upload(address + begin * dtype.bytes(), device.flip());
        }
    }

    /**
     * Downloads {@code count} elements stored as {@code dtype} at {@code address} and passes them to a writer in {@code
     * format}.
     */
    void download(Device source, long address, DType dtype, long count, DType format, Writer writer) {
        int piece = host.capacity() / 4;
        for (long begin = 0; begin < count; begin += piece) {
            int elements = (int) Math.min(piece, count - begin);
            device.clear().limit(elements * dtype.bytes());
            source.download(device, address + begin * dtype.bytes());
            FloatFormats.convert(device.rewind(), dtype.name(), host.clear(), format.name());
            writer.write(begin, host.flip());
        }
    }
}
