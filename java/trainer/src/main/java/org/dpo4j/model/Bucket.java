package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.decoder.Segment;

/**
 * The padded sizes of a batch in the decoder. Batches of about one size share a bucket, and with it their CUDA graphs.
 * Padding rows are token 0 at position 0 in a segment of their own, which no other attends to: their gradient is exactly
 * 0.
 *
 * @param rows of all segments; padding is at most one in 16, or 7
 * @param segments the batch's, one of the padding rows, and empty ones
 * @param maxQueries at least the rows of the longest segment; a larger bound launches blocks that exit at once
 */
record Bucket(int rows, int segments, int maxQueries) {

    /** The sizes of the batch itself. */
    static Bucket exact(PackedBatch batch) {
        return new Bucket(batch.rows(), batch.segments().size(), batch.maxQueries());
    }

    /**
     * The bucket of a batch: from a power of two to the next, 16 sizes of rows and one of the longest segment.
     * Fewer sizes come again more often and add more rows: over the real pairs of BucketTest some 2 %, and all their
     * buckets have room among {@link Graphs}; with twice as many sizes of both those of four pairs have not.
     */
    static Bucket rounded(PackedBatch batch) {
        int rows = up(batch.rows(), 8, 16);
        int longest = Math.max(batch.maxQueries(), rows - batch.rows());
        return new Bucket(rows, up(batch.segments().size() + 1, 4, 8), up(longest, 64, 1));
    }

    /** The multiple of a step from {@code value} on, where the step is {@code min} or that part of a power of two. */
    private static int up(int value, int min, int parts) {
        int step = Math.max(min, Integer.highestOneBit(Math.max(1, value)) / parts);
        return Math.toIntExact(((long) value + step - 1) / step * step);
    }

    /**
     * Padded rows of the head for a chunk of so many tokens: 16 sizes from a power of two to the next. Logits that fit
     * into {@code max} rows, which there is memory for, still do.
     */
    static int headRows(int tokens, int max) {
        int rows = up(tokens, 8, 16);
        return tokens <= max ? Math.min(rows, max) : rows;
    }

    int[] ids(PackedBatch batch) {
        return Arrays.copyOf(batch.ids(), rows);
    }

    int[] positions(PackedBatch batch) {
        return Arrays.copyOf(batch.positions(), rows);
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
