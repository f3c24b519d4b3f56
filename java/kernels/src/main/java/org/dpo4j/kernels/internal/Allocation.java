package org.dpo4j.kernels.internal;

import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;

/** A buffer with the action that frees its memory. */
final class Allocation implements DeviceBuffer {
    private final long address;
    private final long bytes;
    private final MemoryCount count;
    private final Runnable release;
    private boolean closed;

    Allocation(long address, long bytes, MemoryCount count, Runnable release) {
        this.address = address;
        this.bytes = bytes;
        this.count = count;
        this.release = release;
        count.add(bytes);
    }

    static void checkSize(long bytes) {
        if (bytes < 0) {
            throw new Dpo4jException("allocate: bytes is " + bytes + ", must be 0 or more");
        }
    }

    @Override
    public long address() {
        if (closed) {
            throw new Dpo4jException("this buffer of " + bytes + " bytes is closed, so it has no address");
        }
        return address;
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public void close() {
        if (!closed) {
            // release throws during a graph capture; the buffer then stays open
            release.run();
            closed = true;
            count.remove(bytes);
        }
    }
}
