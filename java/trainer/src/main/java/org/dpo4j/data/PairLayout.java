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
    public int tokens(PreferencePair.Outline pair) {
        return pair.tokens() - (isShared(pair) ? pair.prompt() : 0);
    }

    /** Whether a pair has its prompt once. */
    public boolean isShared(PreferencePair.Outline pair) {
        boolean isChosenLong = pair.chosenLength() > shortLength;
        boolean isRejectedLong = pair.rejectedLength() > shortLength;
        return isPrefixShared && pair.hasSharedPrompt() && isChosenLong == isRejectedLong;
    }
}
