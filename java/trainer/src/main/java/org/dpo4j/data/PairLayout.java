package org.dpo4j.data;

/**
 * How a {@link PackedBatch} has the sequences of a pair, {@code [prompt | chosen]} and {@code [prompt | rejected]}.
 *
 * @param isPrefixShared whether the rows of the prompt are computed once for both
 * @param shortLength longrope has two sets of rotary frequencies: one for sequences of up to this many tokens, the last
 *     target included, and one for longer sequences. If the two sequences of a pair need different sets, the prompt is
 *     computed twice, once with each. {@link Integer#MAX_VALUE} for a model with one set
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
