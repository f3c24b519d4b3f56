package org.dpo4j.data;

/**
 * A prompt with a chosen and a rejected completion, as token ids.
 *
 * @param row line of the file, or element of a JSON array, counted from 1
 * @param prompt at least one token; begins with BOS if the tokenizer adds it
 * @param chosen at least one token; ends with EOS if it was text and is not cut
 * @param rejected as {@code chosen}, but not equal to it
 */
public record PreferencePair(int row, int[] prompt, int[] chosen, int[] rejected) {

    /** Tokens of the prompt and the longer completion. */
    public int length() {
        return prompt.length + Math.max(chosen.length, rejected.length);
    }
}
