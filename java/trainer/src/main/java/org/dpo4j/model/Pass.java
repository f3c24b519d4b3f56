package org.dpo4j.model;

import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.decoder.Segment;

/**
 * The arrays of one pass through the decoder, on the device.
 *
 * @param ids i32[rows]
 * @param positions i32[rows], rows of {@link RotaryTables}, which without longrope are positions
 * @param segments dpo4j_segment[segmentCount]
 * @param maxQueries upper bound on the query rows of a segment
 * @param cacheRows i32[rows], the rows of the key cache to write; 0 if there is no cache
 * @param ranges how the keys of single queries are split
 */
record Pass(
        int rows,
        long ids,
        long positions,
        long segments,
        int segmentCount,
        int maxQueries,
        long cacheRows,
        KeyRanges ranges) {

    /**
     * How attention splits the keys of single queries.
     *
     * @param maxKeys upper bound on the keys of a query; 0 if they are not split
     * @param workspace {@link org.dpo4j.kernels.decoder.Attention#decodeWorkspaceBytes}
     */
    record KeyRanges(int maxKeys, long workspace) {
        /** Keys are not split. */
        static final KeyRanges NONE = new KeyRanges(0, 0);
    }

    /** Places the arrays of a batch, without a cache. */
    static Pass place(Layout layout, Bucket bucket) {
        return new Pass(
                bucket.rows(),
                layout.words(bucket.rows()),
                layout.words(bucket.rows()),
                layout.words((long) Segment.INTS * bucket.segments()),
                bucket.segments(),
                bucket.maxQueries(),
                0,
                KeyRanges.NONE);
    }

    /** Sets the values of the arrays. {@code positions}: the row of {@link RotaryTables} of each row of the batch. */
    void put(Indices indices, PackedBatch batch, int[] positions, Bucket bucket) {
        indices.put(ids, bucket.padded(batch.ids()));
        indices.put(this.positions, bucket.padded(positions));
        indices.put(segments, Segment.pack(bucket.segments(batch)));
    }

    Pass withCache(long cacheRows, KeyRanges ranges) {
        return new Pass(rows, ids, positions, segments, segmentCount, maxQueries, cacheRows, ranges);
    }
}
