package org.dpo4j.data;

import java.util.List;
import org.dpo4j.data.store.IndexedRows;

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

    /** What the row has beside its token ids. */
    public Outline outline() {
        return new Outline(prompt.length, completion.length, rest.length, isDesirable);
    }

    /** The outline of a row of a list. The row is read only if the list has no index. */
    public static Outline outline(List<UnpairedCompletion> rows, int index) {
        return rows instanceof IndexedRows indexed
                ? Outline.read(indexed.numbers(index))
                : rows.get(index).outline();
    }

    /** Prompt and completion, without the label. */
    Sequence sequence() {
        return new Sequence(row, prompt, completion);
    }

    /**
     * A row without its token ids.
     *
     * @param prompt tokens of the prompt
     * @param completion tokens of the completion
     * @param rest tokens that were cut from the end of the completion
     * @param isDesirable the label
     */
    public record Outline(int prompt, int completion, int rest, boolean isDesirable) {

        /** Elements of {@link #numbers}. */
        static final int NUMBERS = 4;

        static Outline read(int[] numbers) {
            return new Outline(numbers[0], numbers[1], numbers[2], numbers[3] == 1);
        }

        /** The components in their order, the label as 1 or 0. */
        public int[] numbers() {
            return new int[] {prompt, completion, rest, isDesirable ? 1 : 0};
        }

        /** Tokens of prompt and completion. */
        public int length() {
            return prompt + completion;
        }
    }
}
