package org.dpo4j.model;

/**
 * The rows of one pass through the decoder, on the device.
 *
 * @param ids i32[rows]
 * @param positions i32[rows], each below {@code positionsEnd}
 * @param segments dpo4j_segment[segmentCount]
 * @param maxQueries query rows of the longest segment
 * @param cacheRows i32[rows], the rows of the key cache to write; 0 where there is no cache
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

    Pass withPositionsEnd(int end) {
        return new Pass(rows, ids, positions, end, segments, segmentCount, maxQueries, cacheRows);
    }
}
