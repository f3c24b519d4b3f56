package org.dpo4j.model;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Device memory in which the buffers of each pass are placed anew. It is allocated again only when a pass needs more than
 * any before it; what it held is then gone, so all buffers of a pass are placed at once.
 */
final class Arena implements AutoCloseable {
    private final Device device;
    private @Nullable DeviceBuffer buffer;

    Arena(Device device) {
        this.device = device;
    }

    /** Runs {@code buffers} twice: to count bytes, then to place the buffers. */
    <T> T layout(Layout.Buffers<T> buffers) {
        return buffers.place(new Layout(reserve(Layout.bytes(buffers))));
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

    @Override
    public void close() {
        if (buffer != null) {
            buffer.close();
            buffer = null;
        }
    }
}
