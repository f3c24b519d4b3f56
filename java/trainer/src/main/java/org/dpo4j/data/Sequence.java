package org.dpo4j.data;

/**
 * Tokens to learn, after tokens that are given.
 *
 * @param row where it stands in its file: the line, or the element of a JSON array, counted from 1
 * @param prompt at least one token; of a plain text, the first
 * @param completion at least one token
 */
public record Sequence(int row, int[] prompt, int[] completion) {

    /** Tokens of both. */
    public int length() {
        return prompt.length + completion.length;
    }
}
