package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.data.PackedBatch;

/**
 * Consecutive completions of a batch whose log-probs, loss and gradient are computed together, so that their logits fit
 * in memory.
 *
 * @param first first completion
 * @param end completion after the last
 * @param beginToken first token
 * @param endToken token after the last
 */
record LossChunk(int first, int end, int beginToken, int endToken) {

    int completions() {
        return end - first;
    }

    int tokens() {
        return endToken - beginToken;
    }

    /** i32[completions + 1]: the first token of each completion, counted from the chunk's first token. */
    int[] offsets(PackedBatch batch) {
        int[] offsets = Arrays.copyOfRange(batch.offsets(), first, end + 1);
        for (int i = 0; i < offsets.length; i++) {
            offsets[i] -= beginToken;
        }
        return offsets;
    }

    /**
     * Splits a batch into the minimum number of chunks of whole groups, each of at most {@code rows} tokens. A group
     * with more tokens is a chunk of its own.
     *
     * @param offsets completion {@code s} has the tokens {@code [offsets[s], offsets[s+1])}
     * @param group completions per group; the last group may have fewer
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
     * Upper bound on the tokens of any chunk of this batch: all its tokens if there are at most {@code rows}, else the
     * maximum of {@code rows} and the tokens of a group. It never decreases if a batch has more tokens or a longer
     * group.
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
