package org.dpo4j.data;

import java.util.Arrays;
import java.util.List;
import org.dpo4j.data.store.IndexedRows;

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

    /** What the pair has beside its token ids. */
    public Outline outline() {
        return new Outline(
                prompt.length,
                chosen.length,
                rejected.length,
                hasSharedPrompt() ? 0 : rejectedPrompt.length,
                weight,
                referenceChosen,
                referenceRejected);
    }

    /** The outline of a pair of a list. The pair is read only if the list has no index. */
    public static Outline outline(List<PreferencePair> pairs, int index) {
        return pairs instanceof IndexedRows indexed
                ? Outline.read(indexed.numbers(index))
                : pairs.get(index).outline();
    }

    /** Tokens of the longer one of the two sequences of prompt and completion. */
    public int length() {
        return outline().length();
    }

    /** Tokens of both sequences; those of a shared prompt count twice. */
    public int tokens() {
        return outline().tokens();
    }

    /** Whether the row states the log-probs of the reference. */
    public boolean hasReference() {
        return outline().hasReference();
    }

    /**
     * A pair without its token ids.
     *
     * @param prompt tokens of the prompt
     * @param chosen tokens of the chosen completion
     * @param rejected tokens of the rejected completion
     * @param ownPrompt tokens of the prompt of the rejected completion; 0 if the prompt is shared
     * @param weight the factor of the pair's loss
     * @param referenceChosen log-prob of the chosen completion under the reference model; NaN if the row does not state it
     * @param referenceRejected as {@code referenceChosen}, of the rejected completion
     */
    public record Outline(
            int prompt,
            int chosen,
            int rejected,
            int ownPrompt,
            float weight,
            float referenceChosen,
            float referenceRejected) {

        /** Elements of {@link #numbers}. */
        static final int NUMBERS = 7;

        static Outline read(int[] numbers) {
            return new Outline(
                    numbers[0],
                    numbers[1],
                    numbers[2],
                    numbers[3],
                    Float.intBitsToFloat(numbers[4]),
                    Float.intBitsToFloat(numbers[5]),
                    Float.intBitsToFloat(numbers[6]));
        }

        /** The components in their order, floats as their bits. */
        public int[] numbers() {
            return new int[] {
                prompt,
                chosen,
                rejected,
                ownPrompt,
                Float.floatToRawIntBits(weight),
                Float.floatToRawIntBits(referenceChosen),
                Float.floatToRawIntBits(referenceRejected)
            };
        }

        /** Whether both completions have the same prompt. */
        public boolean hasSharedPrompt() {
            return ownPrompt == 0;
        }

        /** Tokens of prompt and chosen completion. */
        public int chosenLength() {
            return prompt + chosen;
        }

        /** Tokens of the rejected completion and its prompt. */
        public int rejectedLength() {
            return (hasSharedPrompt() ? prompt : ownPrompt) + rejected;
        }

        /** Tokens of the longer one of the two sequences of prompt and completion. */
        public int length() {
            return Math.max(chosenLength(), rejectedLength());
        }

        /** Tokens of both sequences; those of a shared prompt count twice. */
        public int tokens() {
            return chosenLength() + rejectedLength();
        }

        /** Whether the row states the log-probs of the reference. */
        public boolean hasReference() {
            return !Float.isNaN(referenceChosen);
        }
    }
}
