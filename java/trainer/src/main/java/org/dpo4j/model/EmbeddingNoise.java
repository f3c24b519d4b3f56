package org.dpo4j.model;

import org.dpo4j.model.family.Architecture;

/**
 * Uniform noise on the token embeddings of a training pass (NEFTune, Jain et al. 2023). A row of a sequence of {@code
 * length} tokens gets noise in {@code (-a, a)}, with {@code a = alpha / sqrt(length * hiddenSize)}. The length is that of
 * {@link org.dpo4j.data.PackedBatch#sequenceLengths}. The gradient of an embedding is that of its sum with the noise.
 *
 * @param alpha above 0
 * @param seed of the random bits
 */
public record EmbeddingNoise(double alpha, long seed) {

    /**
     * What the noise of a batch depends on, beside the seed. The noise of a row is a function of seed, step, the number
     * of its sequence, and its position there, so it does not depend on the other rows of the batch. The rows of a shared
     * prompt belong to the first completion.
     *
     * @param sequences the number of each completion's sequence
     */
    public record Key(int step, int[] sequences) {}

    /**
     * The amplitude in a sequence of one token. Granite's embeddings are multiplied after the noise was added, Gemma's
     * before.
     */
    double amplitude(Architecture architecture) {
        Architecture.Scales scales = architecture.scales();
        double later = scales.isEmbeddingRounded() ? 1 : scales.embedding();
        return later * alpha / Math.sqrt(architecture.hiddenSize());
    }
}
