package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Uploads the i32 arrays of one pass in one copy. Call {@link #layout} to place them, {@link #put} for each, then
 * {@link #upload}.
 */
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

    /**
     * Places arrays over those of the previous pass. The capacity is a power of two, so that the memory, whose
     * addresses graphs contain, rarely moves.
     */
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

    /** Bytes of device memory of {@link #layout}, if no earlier pass needed more. */
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

    /** Sets the values of an array that was placed at {@code address}. */
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
