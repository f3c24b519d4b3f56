package org.dpo4j.data;

/**
 * A prompt and two answers to it, as token ids. The first answer was preferred.
 *
 * @param row where it stands in its file: the line, or the element of a JSON array, counted from 1
 * @param prompt at least one token; starts with the beginning token where the tokenizer adds one
 * @param chosen at least one token; ends with the ending token unless it was cut
 * @param rejected likewise; differs from {@code chosen}
 */
public record PreferencePair(int row, int[] prompt, int[] chosen, int[] rejected) {

    /** Tokens of the prompt and the longer answer. */
    public int length() {
        return prompt.length + Math.max(chosen.length, rejected.length);
    }
}
