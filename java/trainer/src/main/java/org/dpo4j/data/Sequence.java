package org.dpo4j.data;

import java.util.List;
import org.dpo4j.data.store.IndexedRows;
import org.jspecify.annotations.Nullable;

/**
 * A prompt and a completion to learn, as token ids.
 *
 * @param row line of the file, or element of a JSON array, counted from 1
 * @param prompt at least one token; for a text without prompt, its first token
 * @param completion at least one token
 * @param targets for each token of the completion, whether it is learnt, at least one; null if all are
 */
public record Sequence(int row, int[] prompt, int[] completion, boolean @Nullable [] targets) {

    /** A sequence whose completion is learnt whole. */
    public Sequence(int row, int[] prompt, int[] completion) {
        this(row, prompt, completion, null);
    }

    /** What the sequence has beside its token ids. */
    public Outline outline() {
        return new Outline(prompt.length, completion.length, targetCount());
    }

    /** The outline of a sequence of a list. The sequence is read only if the list has no index. */
    public static Outline outline(List<Sequence> sequences, int index) {
        return sequences instanceof IndexedRows indexed
                ? Outline.read(indexed.numbers(index))
                : sequences.get(index).outline();
    }

    /** Tokens of prompt and completion. */
    public int length() {
        return prompt.length + completion.length;
    }

    /** Whether token {@code i} of the completion is learnt. */
    public boolean isTarget(int i) {
        return targets == null || targets[i];
    }

    /** Number of tokens that are learnt. */
    public int targetCount() {
        int count = 0;
        for (int i = 0; i < completion.length; i++) {
            count += isTarget(i) ? 1 : 0;
        }
        return count;
    }

    /**
     * A sequence without its token ids.
     *
     * @param prompt tokens of the prompt
     * @param completion tokens of the completion
     * @param targets tokens that are learnt
     */
    public record Outline(int prompt, int completion, int targets) {

        /** Elements of {@link #numbers}. */
        static final int NUMBERS = 3;

        static Outline read(int[] numbers) {
            return new Outline(numbers[0], numbers[1], numbers[2]);
        }

        /** The components in their order. */
        public int[] numbers() {
            return new int[] {prompt, completion, targets};
        }

        /** Tokens of prompt and completion. */
        public int length() {
            return prompt + completion;
        }
    }
}
