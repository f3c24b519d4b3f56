package org.dpo4j.model;

import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.decoder.Segment;

/**
 * The arrays of one pass through the decoder, on the device.
 *
 * @param ids i32[rows]
 * @param positions i32[rows], each below {@code positionsEnd}
 * @param segments dpo4j_segment[segmentCount]
 * @param maxQueries upper bound on the query rows of a segment
 * @param cacheRows i32[rows], the rows of the key cache to write; 0 if there is no cache
 */
record Pass(
        int rows,
        long ids,
        long positions,
        int positionsEnd,
        long segments,
        int segmentCount,
        int maxQueries,
        long cacheRows) {

    /** Places the arrays of a batch, without a cache. */
    static Pass place(Layout layout, Bucket bucket, int positionsEnd) {
        return new Pass(
                bucket.rows(),
                layout.words(bucket.rows()),
                layout.words(bucket.rows()),
                positionsEnd,
                layout.words((long) Segment.INTS * bucket.segments()),
                bucket.segments(),
                bucket.maxQueries(),
                0);
    }

    /** Sets the values of the arrays. */
    void put(Indices indices, PackedBatch batch, Bucket bucket) {
        indices.put(ids, bucket.ids(batch));
        indices.put(positions, bucket.positions(batch));
        indices.put(segments, Segment.pack(bucket.segments(batch)));
    }

    Pass withPositionsEnd(int end) {
        return new Pass(rows, ids, positions, end, segments, segmentCount, maxQueries, cacheRows);
    }

    Pass withCacheRows(long address) {
        return new Pass(rows, ids, positions, positionsEnd, segments, segmentCount, maxQueries, address);
    }
}
