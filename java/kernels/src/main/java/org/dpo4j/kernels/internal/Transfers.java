package org.dpo4j.kernels.internal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.dpo4j.kernels.Device;

/** Java arrays to and from a device, through a direct buffer of bounded size. */
public final class Transfers {
    private static final int CHUNK_BYTES = 1 << 20;

    private Transfers() {}

    /** One piece of an array: {@code count} elements from {@code begin}, in a buffer. */
    private interface Piece {
        void move(ByteBuffer buffer, int begin, int count);
    }

    public static void upload(Device device, long destination, int[] source) {
        send(
                device,
                destination,
                source.length,
                4,
                (buffer, begin, count) -> buffer.asIntBuffer().put(source, begin, count));
    }

    public static void upload(Device device, long destination, float[] source) {
        send(
                device,
                destination,
                source.length,
                4,
                (buffer, begin, count) -> buffer.asFloatBuffer().put(source, begin, count));
    }

    public static int[] downloadInts(Device device, long source, int count) {
        int[] values = new int[count];
        receive(
                device,
                source,
                count,
                4,
                (buffer, begin, n) -> buffer.asIntBuffer().get(values, begin, n));
        return values;
    }

    public static float[] downloadFloats(Device device, long source, int count) {
        float[] values = new float[count];
        receive(
                device,
                source,
                count,
                4,
                (buffer, begin, n) -> buffer.asFloatBuffer().get(values, begin, n));
        return values;
    }

    public static double[] downloadDoubles(Device device, long source, int count) {
        double[] values = new double[count];
        receive(
                device,
                source,
                count,
                8,
                (buffer, begin, n) -> buffer.asDoubleBuffer().get(values, begin, n));
        return values;
    }

    private static void send(Device device, long destination, int count, int elementBytes, Piece piece) {
        ByteBuffer buffer = buffer(count, elementBytes);
        int step = CHUNK_BYTES / elementBytes;
        for (int begin = 0; begin < count; begin += step) {
            int n = Math.min(step, count - begin);
            buffer.clear().limit(n * elementBytes);
            piece.move(buffer, begin, n);
            device.upload(destination + (long) begin * elementBytes, buffer);
        }
    }

    private static void receive(Device device, long source, int count, int elementBytes, Piece piece) {
        ByteBuffer buffer = buffer(count, elementBytes);
        int step = CHUNK_BYTES / elementBytes;
        for (int begin = 0; begin < count; begin += step) {
            int n = Math.min(step, count - begin);
            buffer.clear().limit(n * elementBytes);
            device.download(buffer, source + (long) begin * elementBytes);
            buffer.rewind();
            piece.move(buffer, begin, n);
        }
    }

    private static ByteBuffer buffer(int count, int elementBytes) {
        int bytes = (int) Math.min(CHUNK_BYTES, (long) count * elementBytes);
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
