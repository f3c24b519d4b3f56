package org.dpo4j.model;

/**
 * What passes of a {@link LanguageModel} take of the device, weights and gradients aside, in bytes. Each entry is as large
 * as the largest batch so far made it, and stays until the model is closed.
 *
 * @param activations of the decoder, and their gradients
 * @param head rows of completion tokens, the logits there are at a time, and the indices of a part of a training batch
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
