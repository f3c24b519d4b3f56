package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.data.PackedBatch;

/**
 * Completions that a training pass takes through head and loss together: log-probs, loss and gradient, before those of
 * the next chunk.
 *
 * @param first completion
 * @param end completion after the last
 * @param begin token
 * @param endToken token after the last
 */
record LossChunk(int first, int end, int begin, int endToken) {

    int completions() {
        return end - first;
    }

    int tokens() {
        return endToken - begin;
    }

    /** i32[completions + 1]: where each completion begins, from the chunk's first token on. */
    int[] offsets(PackedBatch batch) {
        int[] offsets = Arrays.copyOfRange(batch.offsets(), first, end + 1);
        for (int i = 0; i < offsets.length; i++) {
            offsets[i] -= begin;
        }
        return offsets;
    }

    /**
     * Splits a batch into as few chunks as do with {@code rows} rows of logits each, of whole groups. A group that alone
     * has more tokens is a chunk of its own.
     *
     * @param offsets completion {@code s} has the tokens {@code [offsets[s], offsets[s+1])}
     * @param group completions; the last group may be shorter
     */
    static List<LossChunk> split(int[] offsets, int group, int rows) {
        List<LossChunk> chunks = new ArrayList<>();
        int completions = offsets.length - 1;
        for (int first = 0; first < completions; ) {
            int end = next(first, group, completions);
            while (end < completions && offsets[next(end, group, completions)] - offsets[first] <= rows) {
                end = next(end, group, completions);
            }
            chunks.add(new LossChunk(first, end, offsets[first], offsets[end]));
            first = end;
        }
        return chunks;
    }

    /**
     * Upper bound on the tokens of any chunk of this batch: all its tokens where they fit into {@code rows}, else {@code
     * rows} or the largest group. It never falls when a batch has more tokens or a larger group.
     */
    static int maxTokens(int[] offsets, int group, int rows) {
        int completions = offsets.length - 1;
        if (offsets[completions] <= rows) {
            return offsets[completions];
        }
        int max = rows;
        for (int first = 0; first < completions; first = next(first, group, completions)) {
            max = Math.max(max, offsets[next(first, group, completions)] - offsets[first]);
        }
        return max;
    }

    private static int next(int completion, int group, int completions) {
        return group < completions - completion ? completion + group : completions;
    }
}
