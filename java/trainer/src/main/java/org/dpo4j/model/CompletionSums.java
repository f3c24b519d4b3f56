package org.dpo4j.model;

/**
 * What a {@link LanguageModel} makes of the tokens of completions.
 *
 * @param tailFactor what a token counts beyond the shorter completion of its pair (LD-DPO, Liu et al. 2024); 1 for as
 *     much as any
 * @param statistics whether entropy, hits, mean logits and WPO's log weights are formed too, in the same read of the
 *     logits
 */
public record CompletionSums(float tailFactor, boolean statistics) {

    /** Sums of log-probs, and no more. */
    public static final CompletionSums PLAIN = new CompletionSums(1, false);
}
