package org.dpo4j.model;

/**
 * Device memory of the passes of a {@link TrainingModel} or {@link ScoringModel} in bytes, without weights and their
 * gradients. It is allocated until that object is closed.
 *
 * @param activations activations of the decoder and their gradients
 * @param head activations and logits of the head, and in training the indices of a chunk
 * @param rotary cosines and sines
 * @param indices indices of a batch
 * @param sums sums of completions
 */
public record PassMemory(long activations, long head, long rotary, long indices, long sums) {
    /** No memory. */
    public static final PassMemory NONE = new PassMemory(0, 0, 0, 0, 0);

    /** The maximum of each part. */
    public PassMemory max(PassMemory other) {
        return new PassMemory(
                Math.max(activations, other.activations),
                Math.max(head, other.head),
                Math.max(rotary, other.rotary),
                Math.max(indices, other.indices),
                Math.max(sums, other.sums));
    }

    public long total() {
        return activations + head + rotary + indices + sums;
    }
}
