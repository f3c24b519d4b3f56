package org.dpo4j.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.List;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Rope;
import org.dpo4j.model.family.Rotation;

/**
 * Cosines and sines of the rotary angles {@code position * frequency}, f32[rows, frequencies] each, times the scaling's
 * factor. Row p is position p. For a model with longrope, the frequencies of long sequences follow in as many rows again.
 * The table covers the positions that batches use, which may be far fewer than the model's.
 *
 * <p>Angles are computed as in transformers, because models were trained with these: frequencies are rounded to f32,
 * and so are their products with positions. At position 100,000 such an angle differs from the exact one by up to
 * 0.004.
 */
final class RotaryTable implements AutoCloseable {
    private static final int MIN_POSITIONS = 512;

    private final Device device;
    /** One or two sets. */
    private final List<float[]> frequencies;

    private final float factor;
    private final int half;
    private final int maxPositions;
    private final Arena arena;
    private int positions;
    private Tables tables = new Tables(0, 0);

    /** Addresses of the cosines and sines. */
    private record Tables(long cosine, long sine) {}

    /** {@code hasLong}: whether the table also has the frequencies of long sequences. */
    RotaryTable(Device device, Rotation rotation, int maxPositions, boolean hasLong) {
        this.device = device;
        this.half = rotation.width() / 2;
        this.frequencies =
                hasLong ? List.of(rotation.frequencies(), rotation.longFrequencies()) : List.of(rotation.frequencies());
        this.factor = (float) rotation.scaling().attentionFactor();
        this.maxPositions = maxPositions;
        this.arena = new Arena(device);
    }

    /** Rotated elements of a head. */
    int width() {
        return 2 * half;
    }

    /** Extends the table to positions below {@code end}, which must not exceed the model's positions. */
    void reserve(int end) {
        if (end <= positions) {
            return;
        }
        positions = positionsFor(end);
        tables = arena.layout(layout -> place(layout, positions));
        for (int set = 0; set < frequencies.size(); set++) {
            long offset = 4L * half * positions * set;
            upload(tables.cosine + offset, frequencies.get(set), false);
            upload(tables.sine + offset, frequencies.get(set), true);
        }
    }

    /** The first row of the frequencies of long sequences. */
    int longRow() {
        return positions;
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
        long count = (long) frequencies.size() * positions * half;
        return new Tables(layout.words(count), layout.words(count));
    }

    private void upload(long address, float[] frequencies, boolean isSine) {
        int rows = Math.max(1, Staging.BYTES / (4 * half));
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(4 * half * Math.min(rows, positions)).order(ByteOrder.LITTLE_ENDIAN);
        FloatBuffer values = bytes.asFloatBuffer();
        for (int begin = 0; begin < positions; begin += rows) {
            int end = Math.min(positions, begin + rows);
            values.clear();
            fill(values, frequencies, factor, begin, end, isSine);
            device.upload(address + 4L * begin * half, bytes.clear().limit(4 * half * (end - begin)));
        }
    }

    /** Writes the cosines, or the sines, of the positions in [begin, end), times {@code factor}. */
    static void fill(FloatBuffer values, float[] frequencies, float factor, int begin, int end, boolean isSine) {
        for (int position = begin; position < end; position++) {
            for (float frequency : frequencies) {
                float angle = position * frequency;
                values.put((float) (isSine ? StrictMath.sin(angle) : StrictMath.cos(angle)) * factor);
            }
        }
    }

    /** The addresses and rows of the current table. */
    Rope.Table table() {
        return new Rope.Table(tables.cosine, tables.sine, frequencies.size() * positions);
    }

    @Override
    public void close() {
        arena.close();
    }
}
