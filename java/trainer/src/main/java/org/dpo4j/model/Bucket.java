package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.decoder.Segment;

/**
 * The padded sizes of a batch in the decoder. Batches of similar size share a bucket, and so can reuse its CUDA graphs.
 * Padding rows are token 0 at position 0, in a segment of their own that no other segment attends to. Their gradient is
 * exactly 0.
 *
 * @param rows rows of all segments; padding is at most 1 in 16, or 7 rows
 * @param segments the batch's segments, one of padding rows, and empty ones
 * @param maxQueries upper bound on the rows of a segment; blocks of the kernel beyond a segment's rows exit at once
 */
record Bucket(int rows, int segments, int maxQueries) {

    /** The sizes of the batch without padding. */
    static Bucket exact(PackedBatch batch) {
        return new Bucket(batch.rows(), batch.segments().size(), batch.maxQueries());
    }

    /**
     * The bucket of a batch. Between two powers of two there are 16 sizes of rows and one of {@code maxQueries}. Fewer
     * sizes would repeat more often but add more padding. With the real pairs of BucketTest, padding is about 2 %, and
     * batches of 4, 8 and 16 pairs have 91, 52 and 29 buckets. {@link Graphs} has room for 16.
     */
    static Bucket rounded(PackedBatch batch) {
        int rows = up(batch.rows(), 8, 16);
        int longest = Math.max(batch.maxQueries(), rows - batch.rows());
        return new Bucket(rows, up(batch.segments().size() + 1, 4, 8), up(longest, 64, 1));
    }

    /**
     * Rounds up to a multiple of {@code max(min, p / parts)}, where p is the highest power of two not above {@code
     * value}.
     */
    private static int up(int value, int min, int parts) {
        int step = Math.max(min, Integer.highestOneBit(Math.max(1, value)) / parts);
        return Math.toIntExact(((long) value + step - 1) / step * step);
    }

    /**
     * Padded rows of the head for a chunk of {@code tokens} tokens: 16 sizes between two powers of two. Padding never
     * exceeds {@code max}, the rows of logits that fit in memory, unless the tokens do.
     */
    static int headRows(int tokens, int max) {
        int rows = up(tokens, 8, 16);
        return tokens <= max ? Math.min(rows, max) : rows;
    }

    /** Padded sequences of a step of generation: 4 sizes between two powers of two. */
    static int sequences(int running) {
        return up(running, 1, 4);
    }

    /** Values of the batch's rows, and 0 for padding rows. */
    int[] padded(int[] values) {
        return Arrays.copyOf(values, rows);
    }

    List<Segment> segments(PackedBatch batch) {
        List<Segment> padded = new ArrayList<>(batch.segments());
        if (padded.size() < segments) {
            padded.add(Segment.plain(batch.rows(), rows - batch.rows(), 0));
        }
        while (padded.size() < segments) {
            padded.add(Segment.plain(rows, 0, 0));
        }
        return padded;
    }
}
