package org.dpo4j.model;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Device memory for the buffers of one pass, reused by the next. It is reallocated only if a pass needs more than all
 * before it. Its content is then lost, so all buffers of a pass are placed by one call of {@link #layout}.
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
