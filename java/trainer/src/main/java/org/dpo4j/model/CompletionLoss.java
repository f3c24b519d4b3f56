package org.dpo4j.model;

/**
 * A loss that is a function of the completions' sums of log-probs. {@link TrainingModel#accumulate} needs only its
 * gradient with respect to these sums.
 *
 * <p>A batch is split into chunks of whole groups, in order. For each chunk {@link #upload}, {@link #dSums} and {@link
 * #keep} are called. With CUDA graphs {@code dSums} is called only for new numbers of completions or new addresses, and
 * its launches are replayed. So it must read everything else that differs between chunks from device memory.
 */
@FunctionalInterface
public interface CompletionLoss {
    /** The {@link #group} of a loss that depends on all completions of a batch together. */
    int WHOLE_BATCH = Integer.MAX_VALUE;

    /** Uploads data of these completions that {@link #dSums} reads besides their log-probs. */
    default void upload(int first, int count) {}

    /**
     * Queues d loss / d sum of the completions of a chunk.
     *
     * @param logProbs log-probs of the chunk's completions
     * @param count number of completions
     * @return address of the gradient, f32[count]
     */
    long dSums(LogProbs logProbs, int count);

    /** Queues copies of results that are needed after the chunk, whose memory the next chunk overwrites. */
    default void keep(LogProbs logProbs, int first, int count) {}

    /** Number of neighbouring completions whose loss depends on each other: 1, 2 for pairs, or {@link #WHOLE_BATCH}. */
    default int group() {
        return WHOLE_BATCH;
    }
}
