package org.dpo4j.model;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Device memory laid out anew for every pass. It is allocated again only when a pass needs more than any before it;
 * what it held is then gone, so all that a pass needs is laid out at once.
 */
final class Arena implements AutoCloseable {
    private static final long ALIGNMENT = 256;

    private final Device device;
    private @Nullable DeviceBuffer buffer;
    private long next;

    Arena(Device device) {
        this.device = device;
    }

    /**
     * Runs {@code layout}, which calls {@link #take}, twice: first to measure, with addresses that mean nothing, then
     * for good.
     */
    void lay(Runnable layout) {
        next = reserve(measure(layout));
        layout.run();
    }

    /** What {@link #lay} takes of the device. Nothing is allocated, and addresses mean nothing afterwards. */
    long measure(Runnable layout) {
        next = 0;
        layout.run();
        return Math.max(next, ALIGNMENT);
    }

    private long reserve(long bytes) {
        if (buffer != null && buffer.bytes() >= bytes) {
            return buffer.address();
        }
        close();
        DeviceBuffer larger = device.allocate(bytes);
        buffer = larger;
        return larger.address();
    }

    /** The next {@code bytes} bytes. */
    long take(long bytes) {
        long address = next;
        next += bytes + ALIGNMENT - 1 & -ALIGNMENT;
        return address;
    }

    @Override
    public void close() {
        if (buffer != null) {
            buffer.close();
            buffer = null;
        }
    }
}
