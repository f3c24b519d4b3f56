package org.dpo4j.model;

import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.model.family.Architecture;

/** Checks on the host that every index of a batch is within the batch and the model. Kernels do not check them. */
final class BatchCheck {
    private BatchCheck() {}

    static void check(PackedBatch batch, Architecture architecture) {
        int rows = batch.rows();
        within(
                batch.ids(),
                architecture.vocabSize(),
                "token id",
                "the vocabulary; check that tokenizer and model belong together");
        within(
                batch.targets(),
                architecture.vocabSize(),
                "completion token id",
                "the vocabulary; check that tokenizer and model belong together");
        within(
                batch.positions(),
                architecture.maxPositions(),
                "position",
                "the model's max_position_embeddings (n_positions of GPT-2); lower max_length");
        within(batch.hiddenRows(), rows, "hidden row", "the batch's rows");
        check(
                batch.positions().length == rows,
                "positions has " + batch.positions().length + " entries for " + rows + " rows");
        check(batch.hiddenRows().length == batch.tokens(), "hiddenRows and targets differ in length");
        checkOffsets(batch.offsets(), batch.tokens());
        checkLengths(batch, architecture.shortLength());
        for (Segment segment : batch.segments()) {
            check(
                    isInside(segment.queryBegin(), segment.queryCount(), rows)
                            && isInside(segment.prefixBegin(), segment.prefixCount(), rows)
                            && segment.keyBegin() == segment.queryBegin()
                            && segment.keyOffset() == 0,
                    segment + " does not lie within the " + rows + " rows");
        }
    }

    private static void checkOffsets(int[] offsets, int tokens) {
        check(
                offsets.length > 0 && offsets[0] == 0 && offsets[offsets.length - 1] == tokens,
                "offsets do not span the " + tokens + " targets");
        for (int i = 1; i < offsets.length; i++) {
            check(offsets[i] >= offsets[i - 1], "offsets decrease at completion " + (i - 1));
        }
    }

    /**
     * Throws if two sequences share a prompt, and only one of them is longer than {@code shortLength}. Each needs other
     * rotary frequencies, so they cannot share the keys of the prompt.
     */
    private static void checkLengths(PackedBatch batch, int shortLength) {
        int[] lengths = batch.sequenceLengths();
        check(
                lengths.length == batch.segments().size(),
                "sequenceLengths has " + lengths.length + " entries for "
                        + batch.segments().size() + " segments");
        boolean isPromptLong = false;
        for (int i = 0; i < lengths.length; i++) {
            boolean isLong = lengths[i] > shortLength;
            if (batch.segments().get(i).prefixCount() == 0) {
                isPromptLong = isLong;
            }
            check(
                    isLong == isPromptLong,
                    "segment " + i + " is of a sequence of " + lengths[i] + " tokens, but its prompt of one on the"
                            + " other side of original_max_position_embeddings, " + shortLength
                            + "; give PackedBatch.pairs the model's shortLength");
        }
    }

    private static void within(int[] values, int end, String what, String limit) {
        for (int i = 0; i < values.length; i++) {
            if (values[i] < 0 || values[i] >= end) {
                throw new Dpo4jException("the batch has " + what + " " + values[i] + " at " + i + ", outside [0, " + end
                        + "), " + limit);
            }
        }
    }

    private static boolean isInside(int begin, int count, int rows) {
        return begin >= 0 && count >= 0 && begin <= rows - count;
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new Dpo4jException("the batch is inconsistent: " + otherwise);
        }
    }
}
