package org.dpo4j.data;

/**
 * How a {@link PackedBatch} has the sequences of a pair, {@code [prompt | chosen]} and {@code [prompt | rejected]}.
 *
 * @param isPrefixShared whether the rows of the prompt are computed once for both
 * @param shortLength a model may read sequences of more than this many tokens, the last target included, with other
 *     rotary frequencies. If only one sequence of a pair is longer, the pair has its prompt twice.
 *     {@link Integer#MAX_VALUE}: the model has one set of frequencies
 */
public record PairLayout(boolean isPrefixShared, int shortLength) {

    /** Whether a pair has its prompt once. */
    public boolean isShared(PreferencePair pair) {
        int prompt = pair.prompt().length;
        boolean isChosenLong = prompt + pair.chosen().length > shortLength;
        boolean isRejectedLong = prompt + pair.rejected().length > shortLength;
        return isPrefixShared && isChosenLong == isRejectedLong;
    }
}
