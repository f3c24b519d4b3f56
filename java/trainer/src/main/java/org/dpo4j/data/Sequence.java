package org.dpo4j.data;

/**
 * A prompt and a completion to learn, as token ids.
 *
 * @param row line of the file, or element of a JSON array, counted from 1
 * @param prompt at least one token; for a text without prompt, its first token
 * @param completion at least one token
 */
public record Sequence(int row, int[] prompt, int[] completion) {

    /** Tokens of both. */
    public int length() {
        return prompt.length + completion.length;
    }
}
