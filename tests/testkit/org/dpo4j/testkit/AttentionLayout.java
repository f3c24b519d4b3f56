package org.dpo4j.testkit;

import java.util.ArrayList;
import java.util.List;
import org.dpo4j.kernels.decoder.Attention;
import org.dpo4j.kernels.decoder.Segment;

/** Segments for tests: pairs with the prompt once, the same pairs with the prompt twice, plain sequences. */
public final class AttentionLayout {
    private AttentionLayout() {}

    /** Lengths of a prompt and of the completions that share it. */
    public record Family(int prompt, int... completions) {}

    /** Plain sequences one after another. */
    public static List<Segment> plain(int... lengths) {
        List<Segment> segments = new ArrayList<>();
        int begin = 0;
        for (int length : lengths) {
            segments.add(Segment.plain(begin, length, 0));
            begin += length;
        }
        return segments;
    }

    /** Each prompt once, followed by its completions. */
    public static List<Segment> shared(Family... families) {
        List<Segment> segments = new ArrayList<>();
        int begin = 0;
        for (Family family : families) {
            Segment prompt = Segment.plain(begin, family.prompt, family.completions.length);
            segments.add(prompt);
            begin += family.prompt;
            for (int completion : family.completions) {
                segments.add(Segment.withPrefix(prompt, begin, completion));
                begin += completion;
            }
        }
        return segments;
    }

    public static int rows(List<Segment> segments) {
        int rows = 0;
        for (Segment segment : segments) {
            rows = Math.max(rows, segment.queryBegin() + segment.queryCount());
        }
        return rows;
    }

    public static int maxQueries(List<Segment> segments) {
        return segments.stream().mapToInt(Segment::queryCount).max().orElse(0);
    }

    public static Attention.Segments packed(long address, List<Segment> segments, long rows) {
        return new Attention.Segments(address, segments.size(), maxQueries(segments), rows);
    }

    /** The same for decoding: no query has more than {@code maxKeys} keys. */
    public static Attention.Segments packed(long address, List<Segment> segments, long rows, long maxKeys) {
        return new Attention.Segments(address, segments.size(), maxQueries(segments), rows, maxKeys);
    }

    /** The number of rows that hold all keys of the segments. */
    public static int keyRows(List<Segment> segments) {
        int rows = 0;
        for (Segment segment : segments) {
            rows = Math.max(rows, segment.keyBegin() + segment.keyOffset() + segment.queryCount());
            rows = Math.max(rows, segment.prefixBegin() + segment.prefixCount());
        }
        return rows;
    }

    /**
     * For each row of the plain layout, in which every completion repeats its prompt, the row of the shared layout with
     * the same token after the same prefix.
     */
    public static int[] sharedRowOfPlainRow(Family... families) {
        List<Integer> rows = new ArrayList<>();
        int begin = 0;
        for (Family family : families) {
            int completionBegin = begin + family.prompt;
            for (int completion : family.completions) {
                for (int i = 0; i < family.prompt; i++) {
                    rows.add(begin + i);
                }
                for (int i = 0; i < completion; i++) {
                    rows.add(completionBegin + i);
                }
                completionBegin += completion;
            }
            begin = completionBegin;
        }
        return rows.stream().mapToInt(Integer::intValue).toArray();
    }
}
