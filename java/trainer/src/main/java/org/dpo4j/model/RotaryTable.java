package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Rope;

/**
 * Cosines and sines of the rotary angles {@code position * theta^(-2 i / headDim)}, f32[positions, headDim / 2] each, for
 * the positions that batches use, which may be far fewer than the model's.
 *
 * <p>Angles are those of transformers, which models were trained with: frequencies are rounded to f32, and so is their
 * product with the position. At position 100,000 such an angle is up to 0.004 off the exact one.
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

    /** Addresses. */
    private record Tables(long cosine, long sine) {}

    RotaryTable(Device device, double theta, int headDim, int maxPositions) {
        this.device = device;
        this.half = headDim / 2;
        this.frequencies = frequencies(theta, headDim);
        this.maxPositions = maxPositions;
        this.arena = new Arena(device);
    }

    /** Makes sure that positions below {@code end} are there; {@code end} is within the model's. */
    void reserve(int end) {
        if (end <= positions) {
            return;
        }
        positions = positionsFor(end);
        tables = arena.layout(layout -> place(layout, positions));
        upload(tables.cosine, false);
        upload(tables.sine, true);
    }

    /** Bytes of device memory that {@link #reserve} takes; nothing is reserved. */
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

    private void upload(long address, boolean sines) {
        int rows = Math.max(1, Staging.BYTES / (4 * half));
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(4 * half * Math.min(rows, positions)).order(ByteOrder.LITTLE_ENDIAN);
        FloatBuffer values = bytes.asFloatBuffer();
        for (int begin = 0; begin < positions; begin += rows) {
            int end = Math.min(positions, begin + rows);
            values.clear();
            fill(values, frequencies, begin, end, sines);
            device.upload(address + 4L * begin * half, bytes.clear().limit(4 * half * (end - begin)));
        }
    }

    /**
     * {@code 1 / theta^(2 i / headDim)} as transformers computes it, every step in f32: {@code 1.0 / (base **
     * (torch.arange(0, dim, 2).float() / dim))}. The power here is the f32 number next to the exact one. PyTorch's own
     * depends on the processor (glibc, SLEEF or CUDA) and is now and then the number beside it; one frequency then
     * differs by 2^-23 of itself or the double of it, and the angle of a position likewise.
     */
    static float[] frequencies(double theta, int headDim) {
        float[] frequencies = new float[headDim / 2];
        for (int i = 0; i < frequencies.length; i++) {
            float exponent = 2f * i / headDim;
            frequencies[i] = 1 / (float) StrictMath.pow((float) theta, exponent);
        }
        return frequencies;
    }

    /** Puts the cosines, or the sines, of positions from {@code begin} to before {@code end}. */
    static void fill(FloatBuffer values, float[] frequencies, int begin, int end, boolean sines) {
        for (int position = begin; position < end; position++) {
            for (float frequency : frequencies) {
                float angle = position * frequency;
                values.put((float) (sines ? StrictMath.sin(angle) : StrictMath.cos(angle)));
            }
        }
    }

    /** The table as it is now. */
    Rope.Table table() {
        return new Rope.Table(tables.cosine, tables.sine, positions);
    }

    @Override
    public void close() {
        arena.close();
    }
}
