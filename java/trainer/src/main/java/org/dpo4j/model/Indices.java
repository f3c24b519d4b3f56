package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;

/** The i32 arrays of one pass, sent to the device in one copy: {@link #layout}, {@link #put} each, {@link #upload}. */
final class Indices implements AutoCloseable {
    private static final int MIN_BYTES = 1 << 16;
    private static final long MAX_BYTES = Integer.MAX_VALUE / 2;

    private final Device device;
    private final Arena arena;
    private ByteBuffer host = allocate(MIN_BYTES);
    private long begin;

    Indices(Device device) {
        this.device = device;
        this.arena = new Arena(device);
    }

    /** Places arrays; those of the pass before are gone. They move seldom: graphs hold their addresses. */
    <T> T layout(Layout.Buffers<T> arrays) {
        long used = Layout.bytes(arrays);
        int capacity = capacity(used);
        if (host.capacity() < capacity) {
            host = allocate(capacity);
        }
        host.clear().limit((int) used);
        begin = arena.layout(layout -> layout.allocate(host.capacity()));
        return arrays.place(new Layout(begin));
    }

    /** Bytes of device memory that {@link #layout} takes, when no pass before had more. */
    static long bytes(Layout.Buffers<?> arrays) {
        return capacity(Layout.bytes(arrays));
    }

    private static int capacity(long bytes) {
        if (bytes > MAX_BYTES) {
            throw new Dpo4jException("a batch has " + bytes + " bytes of indices; make it smaller");
        }
        return bytes <= MIN_BYTES ? MIN_BYTES : Integer.highestOneBit((int) bytes - 1) << 1;
    }

    private static ByteBuffer allocate(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Sets an array that was placed. */
    void put(long address, int[] values) {
        host.position((int) (address - begin))
                .slice()
                .order(ByteOrder.LITTLE_ENDIAN)
                .asIntBuffer()
                .put(values);
    }

    /** Copies all arrays to the device. */
    void upload() {
        device.upload(begin, host.rewind());
    }

    @Override
    public void close() {
        arena.close();
    }
}
