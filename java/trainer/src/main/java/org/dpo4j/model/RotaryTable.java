package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Rope;

/**
 * Cosines and sines of the rotary angles {@code position * theta^(-2 i / width)}, f32[positions, width / 2] each, where
 * width is the number of elements of a head that are rotated.
 * The table covers the positions that batches use, which may be far fewer than the model's.
 *
 * <p>Angles are computed as in transformers, because models were trained with these: frequencies are rounded to f32,
 * and so are their products with positions. At position 100,000 such an angle differs from the exact one by up to
 * 0.004.
 */
final class RotaryTable implements AutoCloseable {
    private static final int MIN_POSITIONS = 512;

    private final Device device;
    private final float[] frequencies;
    private final int half;
    private final int maxPositions;
    private final Arena arena;
    private int positions;
    private Tables tables = new Tables(0, 0);

    /** Addresses of the cosines and sines. */
    private record Tables(long cosine, long sine) {}

    RotaryTable(Device device, double theta, int width, int maxPositions) {
        this.device = device;
        this.half = width / 2;
        this.frequencies = frequencies(theta, width);
        this.maxPositions = maxPositions;
        this.arena = new Arena(device);
    }

    /** Extends the table to positions below {@code end}, which must not exceed the model's positions. */
    void reserve(int end) {
        if (end <= positions) {
            return;
        }
        positions = positionsFor(end);
        tables = arena.layout(layout -> place(layout, positions));
        upload(tables.cosine, false);
        upload(tables.sine, true);
    }

    /** Bytes of device memory of {@link #reserve}. Allocates nothing. */
    long bytes(int end) {
        return Layout.bytes(layout -> place(layout, positionsFor(end)));
    }

    private int positionsFor(int end) {
        int wanted = Math.max(MIN_POSITIONS, Integer.highestOneBit(end - 1) << 1);
        return wanted < end ? maxPositions : Math.min(maxPositions, wanted);
    }

    private Tables place(Layout layout, int positions) {
        long count = (long) positions * half;
        return new Tables(layout.words(count), layout.words(count));
    }

    private void upload(long address, boolean isSine) {
        int rows = Math.max(1, Staging.BYTES / (4 * half));
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(4 * half * Math.min(rows, positions)).order(ByteOrder.LITTLE_ENDIAN);
        FloatBuffer values = bytes.asFloatBuffer();
        for (int begin = 0; begin < positions; begin += rows) {
            int end = Math.min(positions, begin + rows);
            values.clear();
            fill(values, frequencies, begin, end, isSine);
            device.upload(address + 4L * begin * half, bytes.clear().limit(4 * half * (end - begin)));
        }
    }

    /**
     * {@code 1 / theta^(2 i / width)}, every step in f32 as in transformers: {@code 1.0 / (base ** (torch.arange(0,
     * dim, 2).float() / dim))}. The power here is the f32 number nearest to the exact one. PyTorch's power depends on
     * the processor (glibc, SLEEF or CUDA) and is sometimes a neighbouring f32 number. A frequency and its angles then
     * differ by a relative 2^-23 or 2^-22.
     */
    static float[] frequencies(double theta, int width) {
        float[] frequencies = new float[width / 2];
        for (int i = 0; i < frequencies.length; i++) {
            float exponent = 2f * i / width;
            frequencies[i] = 1 / (float) StrictMath.pow((float) theta, exponent);
        }
        return frequencies;
    }

    /** Writes the cosines, or the sines, of the positions in [begin, end). */
    static void fill(FloatBuffer values, float[] frequencies, int begin, int end, boolean isSine) {
        for (int position = begin; position < end; position++) {
            for (float frequency : frequencies) {
                float angle = position * frequency;
                values.put((float) (isSine ? StrictMath.sin(angle) : StrictMath.cos(angle)));
            }
        }
    }

    /** The addresses and positions of the current table. */
    Rope.Table table() {
        return new Rope.Table(tables.cosine, tables.sine, positions);
    }

    @Override
    public void close() {
        arena.close();
    }
}
