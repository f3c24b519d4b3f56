package org.dpo4j.model;

/**
 * A loss of completions, of which {@link LanguageModel#accumulate} needs the gradient by their sums alone.
 *
 * <p>A batch goes through it a part after the other, in order; a part is of whole groups. Of each part {@link #upload}
 * is called, then what {@link #dSums} has queued runs, then {@link #keep} is called. Where passes are graphs, what
 * {@code dSums} has queued for one part runs again for others: it is asked anew only for another number of completions
 * or other addresses.
 */
@FunctionalInterface
public interface CompletionLoss {
    /** The {@link #group} of a loss that looks at all completions of a batch at once. */
    int WHOLE_BATCH = Integer.MAX_VALUE;

    /** Uploads what {@link #dSums} reads of these completions besides their log-probs. */
    default void upload(int first, int count) {}

    /**
     * Queues d loss / d sum of the completions of a part. What differs between parts of as many completions is read on
     * the device, at addresses that are the same for all of them.
     *
     * @param of what is known of these completions, whose first is that of the part
     * @param count how many
     * @return address of the gradient, f32[count]
     */
    long dSums(LogProbs of, int count);

    /** Queues copies of what is wanted of a part beyond it. */
    default void keep(LogProbs of, int first, int count) {}

    /** Neighbours whose gradients are known as soon as their own sums are: 1, 2 for pairs, or {@link #WHOLE_BATCH}. */
    default int group() {
        return WHOLE_BATCH;
    }
}
