package org.dpo4j.bench.device;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.kernels.decoder.Segment;

/**
 * Who attends to whom. {@code layout causal}: {@code sequences} of {@code tokens} each. {@code layout shared}: {@code
 * pairs} of a prompt with two completions behind it. {@code layout plain}: the same pairs, as two sequences each.
 */
record AttentionLayout(int rows, List<Segment> segments) {

    static AttentionLayout of(Shape shape) {
        if (shape.has("layout", "causal")) {
            return causal(shape.count("sequences"), shape.count("tokens"));
        }
        int pairs = shape.count("pairs");
        int prompt = shape.count("prompt");
        int completion = shape.count("completion");
        return shape.has("layout", "shared")
                ? shared(pairs, prompt, completion)
                : causal(2 * pairs, prompt + completion);
    }

    private static AttentionLayout causal(int sequences, int tokens) {
        return new AttentionLayout(
                sequences * tokens,
                IntStream.range(0, sequences)
                        .mapToObj(s -> Segment.plain(s * tokens, tokens, 0))
                        .toList());
    }

    private static AttentionLayout shared(int pairs, int prompt, int completion) {
        List<Segment> segments = new ArrayList<>();
        int rows = prompt + 2 * completion;
        for (int begin = 0; begin < pairs * rows; begin += rows) {
            Segment of = Segment.plain(begin, prompt, 2);
            segments.add(of);
            segments.add(Segment.withPrefix(of, begin + prompt, completion));
            segments.add(Segment.withPrefix(of, begin + prompt + completion, completion));
        }
        return new AttentionLayout(pairs * rows, List.copyOf(segments));
    }

    int maxQueries() {
        return segments.stream().mapToInt(Segment::queryCount).max().orElse(0);
    }

    /** Pairs of a query and a key it sees. */
    double visible() {
        return segments.stream()
                .mapToDouble(
                        s -> (double) s.queryCount() * s.prefixCount() + s.queryCount() * (s.queryCount() + 1.0) / 2)
                .sum();
    }

    boolean sees(int query, int key) {
        for (Segment s : segments) {
            if (query >= s.queryBegin() && query < s.queryBegin() + s.queryCount()) {
                boolean prefix = key >= s.prefixBegin() && key < s.prefixBegin() + s.prefixCount();
                return prefix || (key >= s.keyBegin() && key <= query);
            }
        }
        return false;
    }

    /** Rows of the first sequence, or pair: no other sees them. */
    int firstRows() {
        int end = segments.get(0).queryCount();
        for (Segment s : segments) {
            if (s.prefixCount() > 0 && s.prefixBegin() == 0) {
                end = s.queryBegin() + s.queryCount();
            }
        }
        return end;
    }
}
