package org.dpo4j.data;

/**
 * A prompt with one completion that was judged good or bad, as token ids.
 *
 * @param row line of the file, or element of a JSON array, counted from 1
 * @param prompt at least one token; begins with BOS if the tokenizer adds it
 * @param completion at least one token; ends with EOS if it was text and is not cut
 * @param rest what was cut from the end of the completion. The loss kto reads the completion under the prompt of another
 *     row too, where more of it may fit
 * @param isDesirable the label: whether the completion is good
 */
public record UnpairedCompletion(int row, int[] prompt, int[] completion, int[] rest, boolean isDesirable) {
    private static final int[] NOTHING = {};

    /** A completion that is not cut. */
    public UnpairedCompletion(int row, int[] prompt, int[] completion, boolean isDesirable) {
        this(row, prompt, completion, NOTHING, isDesirable);
    }

    /** Tokens of prompt and completion. */
    public int length() {
        return prompt.length + completion.length;
    }

    /** Tokens of the prompt, of the completion and of its rest. */
    int[] lengths() {
        return new int[] {prompt.length, completion.length, rest.length};
    }

    /** Prompt and completion, without the label. */
    Sequence sequence() {
        return new Sequence(row, prompt, completion);
    }
}
