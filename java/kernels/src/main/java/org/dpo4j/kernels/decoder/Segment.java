package org.dpo4j.kernels.decoder;

import java.util.List;

/**
 * A run of query rows in a packed batch: the {@code dpo4j_segment} of the C header. Query {@code i} attends to the key
 * rows {@code [prefixBegin, prefixBegin + prefixCount)}, and to those from {@code keyBegin} to {@code keyBegin +
 * keyOffset + i}.
 *
 * @param queryBegin first query row
 * @param queryCount number of query rows
 * @param keyBegin first key row after the prefix
 * @param keyOffset 0 in training; the number of tokens in the KV cache in generation
 * @param prefixBegin first key row of the prefix, to which every query attends
 * @param prefixCount number of key rows of the prefix; 0: no prefix
 * @param dependents number of segments directly after this one whose prefix is the rows of this one
 */
public record Segment(
        int queryBegin, int queryCount, int keyBegin, int keyOffset, int prefixBegin, int prefixCount, int dependents) {

    /** The number of ints of the C struct; the last is reserved and 0. */
    public static final int INTS = 8;

    /** A training segment without a prefix. */
    public static Segment plain(int begin, int count, int dependents) {
        return new Segment(begin, count, begin, 0, 0, 0, dependents);
    }

    /** A training segment whose prefix is the rows of another segment. */
    public static Segment withPrefix(Segment prefix, int begin, int count) {
        return new Segment(begin, count, begin, 0, prefix.queryBegin, prefix.queryCount, 0);
    }

    /**
     * Returns the array that {@link Attention} reads on the device: {@link #INTS} ints per segment, in the order of the
     * C struct.
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
