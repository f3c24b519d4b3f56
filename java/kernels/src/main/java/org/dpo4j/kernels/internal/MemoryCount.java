package org.dpo4j.kernels.internal;

/** Bytes of a device that are allocated now, and the most there ever were. */
final class MemoryCount {
    private long current;
    private long peak;

    void add(long bytes) {
        current += bytes;
        peak = Math.max(peak, current);
    }

    void remove(long bytes) {
        current -= bytes;
    }

    long current() {
        return current;
    }

    long peak() {
        return peak;
    }
}
