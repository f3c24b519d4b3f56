package org.dpo4j.kernels.decoder;

import java.util.List;

/**
 * One run of query rows in a packed batch: the {@code dpo4j_segment} of the C header. Query {@code i} sees the key rows
 * {@code [prefixBegin, prefixBegin + prefixCount)} and the rows {@code keyBegin + j} for {@code j <= keyOffset + i}.
 *
 * @param queryBegin first query row
 * @param queryCount query rows
 * @param keyBegin first of the segment's own key rows
 * @param keyOffset own keys before the first query's: 0 in training, the tokens already cached when generating
 * @param prefixBegin first key row of the prefix every query sees
 * @param prefixCount key rows of that prefix; 0 for none
 * @param dependents segments directly after this one that have its rows as their prefix
 */
public record Segment(
        int queryBegin, int queryCount, int keyBegin, int keyOffset, int prefixBegin, int prefixCount, int dependents) {

    /** Fields of the C struct, one int each; the last is reserved and 0. */
    public static final int INTS = 8;

    /** A training segment with no prefix: keys are its own rows. */
    public static Segment plain(int begin, int count, int dependents) {
        return new Segment(begin, count, begin, 0, 0, 0, dependents);
    }

    /** A training segment behind a shared prefix. */
    public static Segment behind(Segment prefix, int begin, int count) {
        return new Segment(begin, count, begin, 0, prefix.queryBegin, prefix.queryCount, 0);
    }

    /**
     * The array that {@link Attention} reads on the device: {@link #INTS} values a segment, in the order of the C
     * struct.
     */
    public static int[] pack(List<Segment> segments) {
        int[] fields = new int[segments.size() * INTS];
        int i = 0;
        for (Segment segment : segments) {
            fields[i] = segment.queryBegin;
            fields[i + 1] = segment.queryCount;
            fields[i + 2] = segment.keyBegin;
            fields[i + 3] = segment.keyOffset;
            fields[i + 4] = segment.prefixBegin;
            fields[i + 5] = segment.prefixCount;
            fields[i + 6] = segment.dependents;
            i += INTS;
        }
        return fields;
    }
}
