package org.dpo4j.kernels.internal;

/** The allocated bytes of a device, and their max so far. */
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
