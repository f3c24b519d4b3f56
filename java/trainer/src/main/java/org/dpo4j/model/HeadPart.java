package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.data.PackedBatch;

/**
 * Completions that a training pass takes through the head together: log-probs, loss and gradient, before those of the
 * next part.
 *
 * @param first completion
 * @param end completion after the last
 * @param begin token
 * @param endToken token after the last
 */
record HeadPart(int first, int end, int begin, int endToken) {

    int completions() {
        return end - first;
    }

    int tokens() {
        return endToken - begin;
    }

    /** i32[completions + 1]: where each completion begins, from the part's first token on. */
    int[] offsets(PackedBatch batch) {
        int[] offsets = Arrays.copyOfRange(batch.offsets(), first, end + 1);
        for (int i = 0; i < offsets.length; i++) {
            offsets[i] -= begin;
        }
        return offsets;
    }

    /**
     * A batch in parts of whole groups, as few as do with {@code rows} rows of logits each. A group that alone has more
     * tokens is a part of its own.
     *
     * @param offsets completion {@code s} has the tokens {@code [offsets[s], offsets[s+1])}
     * @param group completions; the last group may be shorter
     */
    static List<HeadPart> of(int[] offsets, int group, int rows) {
        List<HeadPart> parts = new ArrayList<>();
        int completions = offsets.length - 1;
        for (int first = 0; first < completions; ) {
            int end = next(first, group, completions);
            while (end < completions && offsets[next(end, group, completions)] - offsets[first] <= rows) {
                end = next(end, group, completions);
            }
            parts.add(new HeadPart(first, end, offsets[first], offsets[end]));
            first = end;
        }
        return parts;
    }

    /**
     * Tokens that no part of the batch has more of: all of them where there are so few, else the rows there are, or the
     * largest group. More tokens, or a larger group, is no less.
     */
    static int largest(int[] offsets, int group, int rows) {
        int completions = offsets.length - 1;
        if (offsets[completions] <= rows) {
            return offsets[completions];
        }
        int largest = rows;
        for (int first = 0; first < completions; first = next(first, group, completions)) {
            largest = Math.max(largest, offsets[next(first, group, completions)] - offsets[first]);
        }
        return largest;
    }

    private static int next(int completion, int group, int completions) {
        return group < completions - completion ? completion + group : completions;
    }
}
