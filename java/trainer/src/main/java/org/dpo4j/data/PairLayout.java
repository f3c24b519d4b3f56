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

    /** Tokens of a pair; those of its prompt count once if the pair has its prompt once. */
    public int tokens(PreferencePair pair) {
        return pair.tokens() - (isShared(pair) ? pair.prompt().length : 0);
    }

    /** Whether a pair has its prompt once. */
    public boolean isShared(PreferencePair pair) {
        boolean isChosenLong = pair.prompt().length + pair.chosen().length > shortLength;
        boolean isRejectedLong = pair.rejectedPrompt().length + pair.rejected().length > shortLength;
        return isPrefixShared && pair.hasSharedPrompt() && isChosenLong == isRejectedLong;
    }
}
