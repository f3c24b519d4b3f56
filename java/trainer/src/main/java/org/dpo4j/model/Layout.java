package org.dpo4j.model;

import org.dpo4j.kernels.DType;

/**
 * Places buffers one after another in device memory, or counts the memory that they need: {@link #bytes} and {@link
 * Arena#layout} run the same code, so a memory plan cannot disagree with the run. Whoever places buffers returns their
 * addresses, and keeps none of them; while bytes are counted they mean nothing.
 */
final class Layout {
    private static final long ALIGNMENT = 256;

    /** Code that places buffers; it runs once to count and once to place. */
    @FunctionalInterface
    interface Buffers<T> {
        /** Places buffers one after another and returns their addresses. */
        T place(Layout layout);
    }

    private long next;

    /** Begins at an address. */
    Layout(long begin) {
        next = begin;
    }

    /** The memory that {@code buffers} places. Nothing is allocated. */
    static long bytes(Buffers<?> buffers) {
        Layout counted = new Layout(0);
        buffers.place(counted);
        return Math.max(counted.next, ALIGNMENT);
    }

    /** Address of the next {@code bytes} bytes. */
    long allocate(long bytes) {
        long address = next;
        next += bytes + ALIGNMENT - 1 & -ALIGNMENT;
        return address;
    }

    /** Address of so many f32 or i32 numbers. */
    long words(long count) {
        return allocate(4 * count);
    }

    /** Address of a matrix. */
    long matrix(long rows, long columns, DType dtype) {
        return allocate(rows * columns * dtype.bytes());
    }
}
