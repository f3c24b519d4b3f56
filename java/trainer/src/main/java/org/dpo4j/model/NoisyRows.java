package org.dpo4j.model;

import java.util.Arrays;
import java.util.List;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.kernels.decoder.UniformNoise;
import org.jspecify.annotations.Nullable;

/**
 * The arrays of {@link UniformNoise} for a batch, on the device. All that changes from step to step is in them, so a CUDA
 * graph of the pass can be launched again.
 *
 * @param scales f32[rows]; 0 for padding rows
 * @param sequences i32[rows]
 * @param positions i32[rows]
 * @param random u32[3], seed and step
 */
record NoisyRows(long scales, long sequences, long positions, long random) {

    /** Places arrays for {@code rows} rows; null if there is no noise. */
    static @Nullable NoisyRows place(Layout layout, @Nullable EmbeddingNoise noise, int rows) {
        return noise == null
                ? null
                : new NoisyRows(layout.words(rows), layout.words(rows), layout.words(rows), layout.words(3));
    }

    /**
     * Sets the values of the arrays.
     *
     * @param amplitude of the noise in a sequence of one token
     */
    void put(
            Indices indices,
            PackedBatch batch,
            EmbeddingNoise noise,
            double amplitude,
            EmbeddingNoise.Key key,
            int rows) {
        int[] bits = new int[rows];
        int[] numbers = new int[rows];
        int[] places = new int[rows];
        System.arraycopy(batch.positions(), 0, places, 0, batch.rows());
        List<Segment> segments = batch.segments();
        for (int i = 0; i < segments.size(); i++) {
            float scale = (float) (amplitude / Math.sqrt(batch.sequenceLengths()[i]));
            int begin = segments.get(i).queryBegin();
            int end = begin + segments.get(i).queryCount();
            Arrays.fill(bits, begin, end, Float.floatToIntBits(scale));
            Arrays.fill(numbers, begin, end, key.sequences()[batch.segmentCompletions()[i]]);
        }
        indices.put(scales, bits);
        indices.put(sequences, numbers);
        indices.put(positions, places);
        indices.put(random, new int[] {(int) noise.seed(), (int) (noise.seed() >> 32), key.step()});
    }

    /** Queues the noise. */
    void add(Device device, UniformNoise.Matrix embeddings) {
        UniformNoise.add(device, embeddings, new UniformNoise.Source(scales, sequences, positions, random));
    }
}
