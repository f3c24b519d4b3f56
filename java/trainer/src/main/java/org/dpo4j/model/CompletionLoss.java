package org.dpo4j.model;

/**
 * A loss of completions, of which {@link TrainingModel#accumulate} needs the gradient by their sums alone.
 *
 * <p>A batch is taken in chunks of whole groups, in order. For each chunk {@link #upload} is called, then {@link #dSums}
 * queues work, then {@link #keep} is called. With CUDA graphs {@code dSums} is called once for each number of completions
 * and addresses, and its launches are replayed: it reads what differs between chunks from device memory.
 */
@FunctionalInterface
public interface CompletionLoss {
    /** The {@link #group} of a loss that looks at all completions of a batch at once. */
    int WHOLE_BATCH = Integer.MAX_VALUE;

    /** Uploads what {@link #dSums} reads of these completions besides their log-probs. */
    default void upload(int first, int count) {}

    /**
     * Queues d loss / d sum of the completions of a chunk.
     *
     * @param logProbs of these completions; the first is the first of the chunk
     * @param count completions
     * @return address of the gradient, f32[count]
     */
    long dSums(LogProbs logProbs, int count);

    /** Queues copies of what is wanted after the chunk. */
    default void keep(LogProbs logProbs, int first, int count) {}

    /** Neighbours whose gradients are known as soon as their own sums are: 1, 2 for pairs, or {@link #WHOLE_BATCH}. */
    default int group() {
        return WHOLE_BATCH;
    }
}
