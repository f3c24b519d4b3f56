package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.decoder.Segment;

/**
 * The sizes that a batch is laid in for its way through the decoder. Batches of about one size share a bucket, and with
 * it their launches. Rows behind the batch's own are token 0 at position 0, a segment of their own that nobody sees:
 * what they are multiplied by in a gradient is exactly 0.
 *
 * @param rows of all segments; at most one in 16 is behind the batch's, or 7
 * @param segments those behind the batch's and the one of the added rows have no rows
 * @param maxQueries at least the rows of the longest segment; more costs blocks that end at once
 */
record Bucket(int rows, int segments, int maxQueries) {

    /** The sizes of the batch itself. */
    static Bucket exact(PackedBatch batch) {
        return new Bucket(batch.rows(), batch.segments().size(), LanguageModel.maxQueries(batch.segments()));
    }

    /**
     * The bucket of a batch: from a power of two to the next, 16 sizes of rows and one of the longest segment.
     * Fewer sizes come again more often and add more rows: over the real pairs of BucketTest some 2 %, and all their
     * buckets have room among {@link Graphs}; with twice as many sizes of both those of four pairs have not.
     */
    static Bucket of(PackedBatch batch) {
        int rows = up(batch.rows(), 8, 16);
        int longest = Math.max(LanguageModel.maxQueries(batch.segments()), rows - batch.rows());
        return new Bucket(rows, up(batch.segments().size() + 1, 4, 8), up(longest, 64, 1));
    }

    /** The multiple of a step from {@code value} on, where the step is {@code least} or that part of a power of two. */
    private static int up(int value, int least, int parts) {
        int step = Math.max(least, Integer.highestOneBit(Math.max(1, value)) / parts);
        return Math.toIntExact(((long) value + step - 1) / step * step);
    }

    /**
     * Rows of the head for a part of so many tokens: 16 sizes from a power of two to the next. Logits that fit the
     * {@code most} rows there is memory for still do.
     */
    static int headRows(int tokens, int most) {
        int rows = up(tokens, 8, 16);
        return tokens <= most ? Math.min(rows, most) : rows;
    }

    int[] ids(PackedBatch batch) {
        return Arrays.copyOf(batch.ids(), rows);
    }

    int[] positions(PackedBatch batch) {
        return Arrays.copyOf(batch.positions(), rows);
    }

    List<Segment> segments(PackedBatch batch) {
        List<Segment> laid = new ArrayList<>(batch.segments());
        if (laid.size() < segments) {
            laid.add(Segment.plain(batch.rows(), rows - batch.rows(), 0));
        }
        while (laid.size() < segments) {
            laid.add(Segment.plain(rows, 0, 0));
        }
        return laid;
    }
}
