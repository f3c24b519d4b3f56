package org.dpo4j.kernels;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Copies Java arrays to and from a device through a direct buffer of at most 1 MiB. */
final class Transfers {
    private static final int CHUNK_BYTES = 1 << 20;

    private Transfers() {}

    /** Copies between a direct buffer and the same number of bytes at a device address. */
    interface Copy {
        void run(long address, ByteBuffer buffer);
    }

    /** Copies elements {@code [begin, begin + count)} of an array to or from a buffer. */
    private interface Piece {
        void copy(ByteBuffer buffer, int begin, int count);
    }

    static void upload(Copy copy, long destination, int[] source) {
        send(
                copy,
                destination,
                source.length,
                4,
                (buffer, begin, count) -> buffer.asIntBuffer().put(source, begin, count));
    }

    static void upload(Copy copy, long destination, float[] source) {
        send(
                copy,
                destination,
                source.length,
                4,
                (buffer, begin, count) -> buffer.asFloatBuffer().put(source, begin, count));
    }

    static int[] downloadInts(Copy copy, long source, int count) {
        int[] values = new int[count];
        receive(
                copy,
                source,
                count,
                4,
                (buffer, begin, n) -> buffer.asIntBuffer().get(values, begin, n));
        return values;
    }

    static float[] downloadFloats(Copy copy, long source, int count) {
        float[] values = new float[count];
        receive(
                copy,
                source,
                count,
                4,
                (buffer, begin, n) -> buffer.asFloatBuffer().get(values, begin, n));
        return values;
    }

    static double[] downloadDoubles(Copy copy, long source, int count) {
        double[] values = new double[count];
        receive(
                copy,
                source,
                count,
                8,
                (buffer, begin, n) -> buffer.asDoubleBuffer().get(values, begin, n));
        return values;
    }

    private static void send(Copy copy, long destination, int count, int elementBytes, Piece piece) {
        ByteBuffer buffer = buffer(count, elementBytes);
        int step = CHUNK_BYTES / elementBytes;
        for (int begin = 0; begin < count; begin += step) {
            int n = Math.min(step, count - begin);
            buffer.clear().limit(n * elementBytes);
            piece.copy(buffer, begin, n);
            copy.run(destination + (long) begin * elementBytes, buffer);
        }
    }

    private static void receive(Copy copy, long source, int count, int elementBytes, Piece piece) {
        ByteBuffer buffer = buffer(count, elementBytes);
        int step = CHUNK_BYTES / elementBytes;
        for (int begin = 0; begin < count; begin += step) {
            int n = Math.min(step, count - begin);
            buffer.clear().limit(n * elementBytes);
            copy.run(source + (long) begin * elementBytes, buffer);
            buffer.rewind();
            piece.copy(buffer, begin, n);
        }
    }

    private static ByteBuffer buffer(int count, int elementBytes) {
        int bytes = (int) Math.min(CHUNK_BYTES, (long) count * elementBytes);
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
