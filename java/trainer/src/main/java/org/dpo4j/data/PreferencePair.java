package org.dpo4j.data;

/**
 * A prompt with a chosen and a rejected completion, as token ids.
 *
 * @param row line of the file, or element of a JSON array, counted from 1. Several pairs may come from one row
 * @param prompt at least one token; begins with BOS if the tokenizer adds it
 * @param chosen at least one token; ends with EOS if it was text and is not cut
 * @param rejected as {@code chosen}, but not equal to it
 * @param weight the factor of the pair's loss
 * @param referenceChosen log-prob of the chosen completion under the reference model, as the row states it; NaN if the
 *     row does not state it
 * @param referenceRejected as {@code referenceChosen}, of the rejected completion; NaN exactly if the other is
 */
public record PreferencePair(
        int row,
        int[] prompt,
        int[] chosen,
        int[] rejected,
        float weight,
        float referenceChosen,
        float referenceRejected) {

    /** A pair of weight 1 without given log-probs of the reference. */
    public PreferencePair(int row, int[] prompt, int[] chosen, int[] rejected) {
        this(row, prompt, chosen, rejected, 1, Float.NaN, Float.NaN);
    }

    /** Tokens of the prompt and the longer completion. */
    public int length() {
        return prompt.length + Math.max(chosen.length, rejected.length);
    }

    /** Whether the row states the log-probs of the reference. */
    public boolean hasReference() {
        return !Float.isNaN(referenceChosen);
    }
}
