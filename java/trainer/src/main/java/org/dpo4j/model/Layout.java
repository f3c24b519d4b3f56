package org.dpo4j.model;

import org.dpo4j.kernels.DType;

/**
 * Places buffers one after another in device memory, or counts the memory that they need. {@link #bytes} and {@link
 * Arena#layout} run the same code, so a memory plan cannot disagree with the run. Code that places buffers must return
 * their addresses and not store them, because they are meaningless while bytes are counted.
 */
final class Layout {
    private static final long ALIGNMENT = 256;

    /** Code that places buffers. It runs once to count bytes and once to place. */
    @FunctionalInterface
    interface Buffers<T> {
        /** Places buffers one after another and returns their addresses. */
        T place(Layout layout);
    }

    private long next;

    /** Places buffers from {@code begin} on. */
    Layout(long begin) {
        next = begin;
    }

    /** Bytes of memory that {@code buffers} needs. Allocates nothing. */
    static long bytes(Buffers<?> buffers) {
        Layout counted = new Layout(0);
        buffers.place(counted);
        return Math.max(counted.next, ALIGNMENT);
    }

    /** Places {@code bytes} bytes and returns their address. */
    long allocate(long bytes) {
        long address = next;
        next += bytes + ALIGNMENT - 1 & -ALIGNMENT;
        return address;
    }

    /** Places {@code count} f32 or i32 numbers. */
    long words(long count) {
        return allocate(4 * count);
    }

    /** Places a matrix. */
    long matrix(long rows, long columns, DType dtype) {
        return allocate(rows * columns * dtype.bytes());
    }
}
