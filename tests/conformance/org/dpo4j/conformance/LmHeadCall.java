package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.testkit.Draw;

/**
 * The inputs of a head, on the host.
 *
 * @param vocabulary rows of the matrix
 * @param hidden its columns
 * @param x hidden rows, row after row
 * @param w the matrix, row after row
 * @param targets of each row
 * @param dLogProb of each row
 * @param transform of the logits
 */
record LmHeadCall(
        int vocabulary,
        int hidden,
        double[] x,
        double[] w,
        int[] targets,
        double[] dLogProb,
        LogitTransform transform) {
    private static final Remembered<LmHeadCall> RANDOM = new Remembered<>(8);

    /** Hidden rows are normal(0, 1), and logits normal(0, 2). */
    static LmHeadCall random(int rows, int vocabulary, int hidden) {
        return random(rows, vocabulary, hidden, 2);
    }

    /** The same with logits of normal(0, {@code spread}). */
    static LmHeadCall random(int rows, int vocabulary, int hidden, double spread) {
        return RANDOM.get(List.of(rows, vocabulary, hidden, spread), () -> newRandom(rows, vocabulary, hidden, spread));
    }

    private static LmHeadCall newRandom(int rows, int vocabulary, int hidden, double spread) {
        Draw draw = new Draw(1000L * rows + 31L * vocabulary + hidden);
        return new LmHeadCall(
                vocabulary,
                hidden,
                draw.normal(rows * hidden, 1),
                draw.normal(vocabulary * hidden, spread / Math.sqrt(hidden)),
                draw.indices(rows, vocabulary),
                draw.normal(rows, 1),
                LogitTransform.NONE);
    }

    LmHeadCall withTransform(LogitTransform other) {
        return new LmHeadCall(vocabulary, hidden, x, w, targets, dLogProb, other);
    }

    LmHeadCall withTargets(int... other) {
        return new LmHeadCall(vocabulary, hidden, x, w, other, dLogProb, transform);
    }

    int rows() {
        return targets.length;
    }

    /** A call with these rows, in this order. */
    LmHeadCall select(int... selectedRows) {
        double[] selected = Arrays.stream(selectedRows)
                .boxed()
                .flatMapToDouble(row -> Arrays.stream(x, row * hidden, (row + 1) * hidden))
                .toArray();
        return new LmHeadCall(
                vocabulary,
                hidden,
                selected,
                w,
                IntStream.of(selectedRows).map(row -> targets[row]).toArray(),
                IntStream.of(selectedRows).mapToDouble(row -> dLogProb[row]).toArray(),
                transform);
    }

    @Override
    public String toString() {
        return "[%d, %d] of hidden %d%s".formatted(rows(), vocabulary, hidden, transform);
    }
}
