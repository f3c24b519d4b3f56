package org.dpo4j.model;

/**
 * Device memory used by the passes of a {@link TrainingModel} or {@link ScoringModel}, in bytes, without weights and their
 * gradients. Each entry is the maximum over the batches so far, and stays until that object is closed.
 *
 * @param activations of the decoder, and their gradients
 * @param head rows of completion tokens, the logits of a chunk, and the indices of a chunk of a training batch
 * @param rotary cosines and sines
 * @param indices of a batch
 * @param sums of completions
 */
public record PassMemory(long activations, long head, long rotary, long indices, long sums) {
    /** Of no pass. */
    public static final PassMemory NONE = new PassMemory(0, 0, 0, 0, 0);

    /** After both. */
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
