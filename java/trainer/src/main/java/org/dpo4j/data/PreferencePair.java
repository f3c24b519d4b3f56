package org.dpo4j.data;

import java.util.Arrays;

/**
 * A chosen and a rejected completion with their prompts, as token ids.
 *
 * @param row line of the file, or element of a JSON array, counted from 1. Several pairs may come from one row
 * @param prompt prompt of the chosen completion: at least one token; begins with BOS if the tokenizer adds it and it is
 *     not cut
 * @param chosen at least one token; ends with EOS if it was text and is not cut
 * @param rejectedPrompt prompt of the rejected completion: as {@code prompt}, unless {@link TruncationMode#KEEP_END} has
 *     cut them differently
 * @param rejected as {@code chosen}
 * @param weight the factor of the pair's loss
 * @param referenceChosen log-prob of the chosen completion under the reference model, as the row states it; NaN if the
 *     row does not state it
 * @param referenceRejected as {@code referenceChosen}, of the rejected completion; NaN exactly if the other is
 */
public record PreferencePair(
        int row,
        int[] prompt,
        int[] chosen,
        int[] rejectedPrompt,
        int[] rejected,
        float weight,
        float referenceChosen,
        float referenceRejected) {

    public PreferencePair {
        rejectedPrompt = Arrays.equals(prompt, rejectedPrompt) ? prompt : rejectedPrompt;
    }

    /** Two completions of one prompt, of weight 1 and without given log-probs of the reference. */
    public PreferencePair(int row, int[] prompt, int[] chosen, int[] rejected) {
        this(row, prompt, chosen, prompt, rejected, 1, Float.NaN, Float.NaN);
    }

    /** Whether both completions have the same prompt. */
    public boolean hasSharedPrompt() {
        return prompt == rejectedPrompt;
    }

    /** Tokens of prompt, chosen, rejected and the prompt of rejected; the last is 0 if the prompt is shared. */
    public int[] lengths() {
        return new int[] {prompt.length, chosen.length, rejected.length, hasSharedPrompt() ? 0 : rejectedPrompt.length};
    }

    /** Tokens of the longer one of the two sequences of prompt and completion. */
    public int length() {
        return Math.max(prompt.length + chosen.length, rejectedPrompt.length + rejected.length);
    }

    /** Tokens of both sequences; those of a shared prompt count twice. */
    public int tokens() {
        return prompt.length + chosen.length + rejectedPrompt.length + rejected.length;
    }

    /** Whether the row states the log-probs of the reference. */
    public boolean hasReference() {
        return !Float.isNaN(referenceChosen);
    }
}
