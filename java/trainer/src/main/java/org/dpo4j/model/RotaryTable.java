package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import org.dpo4j.kernels.Device;

/**
 * Cosines and sines of the rotary angles {@code position * theta^(-2 i / headDim)}, f32[positions, headDim / 2] each.
 * Computed in double precision and for the positions that batches use, which may be far fewer than the model's.
 */
final class RotaryTable implements AutoCloseable {
    private static final int FIRST = 512;

    private final Device device;
    private final int half;
    private final double theta;
    private final int most;
    private final Arena arena;
    private int positions;
    private long cosine;
    private long sine;

    RotaryTable(Device device, LlamaConfig config) {
        this.device = device;
        this.half = config.headDim() / 2;
        this.theta = config.ropeTheta();
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
            for (int position = begin; position < end; position++) {
                for (int i = 0; i < half; i++) {
                    double angle = position * StrictMath.pow(theta, -(double) i / half);
                    values.put((float) (sines ? StrictMath.sin(angle) : StrictMath.cos(angle)));
                }
            }
            device.upload(address + 4L * begin * half, bytes.clear().limit(4 * half * (end - begin)));
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
