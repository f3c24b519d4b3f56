package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import org.dpo4j.kernels.Device;

/**
 * Cosines and sines of the rotary angles {@code position * theta^(-2 i / headDim)}, f32[positions, headDim / 2] each, for
 * the positions that batches use, which may be far fewer than the model's.
 *
 * <p>Angles are those of transformers, which models were trained with: frequencies are rounded to f32, and so is their
 * product with the position. At position 100,000 such an angle is up to 0.004 off the exact one.
 */
final class RotaryTable implements AutoCloseable {
    private static final int FIRST = 512;

    private final Device device;
    private final float[] frequencies;
    private final int half;
    private final int most;
    private final Arena arena;
    private int positions;
    private long cosine;
    private long sine;

    RotaryTable(Device device, LlamaConfig config) {
        this.device = device;
        this.half = config.headDim() / 2;
        this.frequencies = frequencies(config.ropeTheta(), config.headDim());
        this.most = config.maxPositionEmbeddings();
        this.arena = new Arena(device);
    }

    /** Makes sure that positions below {@code end} are there; {@code end} is within the model's. */
    void reserve(int end) {
        if (end <= positions) {
            return;
        }
        positions = positionsFor(end);
        arena.lay(() -> lay(positions));
        upload(cosine, false);
        upload(sine, true);
    }

    /** What {@link #reserve} takes of the device; nothing is reserved. */
    long bytes(int end) {
        return arena.measure(() -> lay(positionsFor(end)));
    }

    private int positionsFor(int end) {
        int wanted = Math.max(FIRST, Integer.highestOneBit(end - 1) << 1);
        return wanted < end ? most : Math.min(most, wanted);
    }

    private void lay(int positions) {
        long bytes = 4L * positions * half;
        cosine = arena.take(bytes);
        sine = arena.take(bytes);
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

    int positions() {
        return positions;
    }

    long cosine() {
        return cosine;
    }

    long sine() {
        return sine;
    }

    @Override
    public void close() {
        arena.close();
    }
}
