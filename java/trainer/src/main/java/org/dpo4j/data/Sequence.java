package org.dpo4j.data;

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

    /** Tokens of prompt and completion, and tokens that are learnt. */
    public int[] lengths() {
        return new int[] {prompt.length, completion.length, targetCount()};
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
}
