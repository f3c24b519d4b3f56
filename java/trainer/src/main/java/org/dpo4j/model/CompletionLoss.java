package org.dpo4j.model;

/** A loss of completions, of which {@link LanguageModel#accumulate} needs the gradient by their sums alone. */
@FunctionalInterface
public interface CompletionLoss {
    /** The {@link #group} of a loss that looks at all completions of a batch at once. */
    int WHOLE_BATCH = Integer.MAX_VALUE;

    /**
     * Queues d loss / d sum of some completions of the batch. Called for one part of the batch after the other, in
     * order; a part is of whole groups.
     *
     * @param of what is known of these completions: addresses of their own values, whose first is that of completion
     *     {@code first}
     * @param first index in the batch
     * @param count how many
     * @return address of the gradient, f32[count]
     */
    long dSums(LogProbs of, int first, int count);

    /** Neighbours whose gradients are known as soon as their own sums are: 1, 2 for pairs, or {@link #WHOLE_BATCH}. */
    default int group() {
        return WHOLE_BATCH;
    }
}
