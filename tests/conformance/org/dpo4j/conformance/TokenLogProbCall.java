package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.BitSet;
import java.util.function.IntPredicate;
import org.dpo4j.kernels.DType;
import org.dpo4j.testkit.Draw;
import org.jspecify.annotations.Nullable;

/**
 * The inputs of one call of token_logprob, on the host. Null means that the call does not pass the array.
 *
 * @param vocabulary columns
 * @param gap multiple of 16 bytes between rows, in addition to the padding for alignment
 * @param logits row after row; there may be more rows than the call has
 * @param targets of each row of the call
 * @param rowIndex for each row of the call, its row of logits
 * @param dLogProb of each row of the call
 * @param transform of the logits
 */
record TokenLogProbCall(
        int vocabulary,
        int gap,
        double[] logits,
        int[] targets,
        int @Nullable [] rowIndex,
        double @Nullable [] dLogProb,
        LogitTransform transform) {

    /** A call with one row of logits per target and random gradients. */
    static TokenLogProbCall of(double[] logits, int... targets) {
        int vocabulary = logits.length / targets.length;
        double[] dLogProb = new Draw(targets.length).normal(targets.length, 1);
        return new TokenLogProbCall(
                vocabulary, vocabulary % 3 == 0 ? 1 : 0, logits, targets, null, dLogProb, LogitTransform.NONE);
    }

    static TokenLogProbCall random(int rows, int vocabulary, double scale) {
        Draw draw = new Draw(31L * rows + vocabulary);
        double[] logits = draw.normal(rows * vocabulary, scale);
        int[] targets = draw.indices(rows, vocabulary);
        return new TokenLogProbCall(
                vocabulary,
                vocabulary % 3 == 0 ? 1 : 0,
                logits,
                targets,
                null,
                draw.normal(rows, 1),
                LogitTransform.NONE);
    }

    int rows() {
        return targets.length;
    }

    int logitsRows() {
        return logits.length / vocabulary;
    }

    /** The row of logits that a row of the call reads. */
    int logitsRow(int row) {
        return rowIndex == null ? row : rowIndex[row];
    }

    /** Whether a row of the call reads this row of logits. */
    IntPredicate named() {
        if (rowIndex == null) {
            return row -> row < rows();
        }
        BitSet named = new BitSet();
        Arrays.stream(rowIndex).forEach(named::set);
        return named::get;
    }

    /** Elements between rows of this type. */
    int stride(DType dtype) {
        int unit = 16 / dtype.bytes();
        return ((vocabulary + unit - 1) / unit + gap) * unit;
    }

    TokenLogProbCall withTargets(int... other) {
        return new TokenLogProbCall(vocabulary, gap, logits, other, rowIndex, dLogProb, transform);
    }

    /** The same call without a d_logprob array, which means 1. */
    TokenLogProbCall withUnitGradient() {
        return new TokenLogProbCall(vocabulary, gap, logits, targets, rowIndex, null, transform);
    }

    TokenLogProbCall withGradient(double... other) {
        return new TokenLogProbCall(vocabulary, gap, logits, targets, rowIndex, other, transform);
    }

    TokenLogProbCall withTransform(LogitTransform other) {
        return new TokenLogProbCall(vocabulary, gap, logits, targets, rowIndex, dLogProb, other);
    }

    TokenLogProbCall withGap(int other) {
        return new TokenLogProbCall(vocabulary, other, logits, targets, rowIndex, dLogProb, transform);
    }

    /** The same call with some of its rows, packed. */
    TokenLogProbCall select(int... selectedRows) {
        double[] selected = Arrays.stream(selectedRows)
                .boxed()
                .flatMapToDouble(
                        row -> Arrays.stream(logits, logitsRow(row) * vocabulary, (logitsRow(row) + 1) * vocabulary))
                .toArray();
        return new TokenLogProbCall(
                vocabulary,
                gap,
                selected,
                Arrays.stream(selectedRows).map(row -> targets[row]).toArray(),
                null,
                dLogProb == null
                        ? null
                        : Arrays.stream(selectedRows)
                                .mapToDouble(row -> dLogProb[row])
                                .toArray(),
                transform);
    }

    /** The same call on a larger tensor of logits: row i is at {@code places[i]}, and all other rows are NaN. */
    TokenLogProbCall scattered(int logitsRows, int... places) {
        double[] sparse = new double[logitsRows * vocabulary];
        Arrays.fill(sparse, Double.NaN);
        for (int row = 0; row < places.length; row++) {
            System.arraycopy(logits, logitsRow(row) * vocabulary, sparse, places[row] * vocabulary, vocabulary);
        }
        return new TokenLogProbCall(vocabulary, gap, sparse, targets, places, dLogProb, transform);
    }

    @Override
    public String toString() {
        return "[%d, %d]%s%s"
                .formatted(rows(), vocabulary, rowIndex == null ? "" : " of " + logitsRows() + " rows", transform);
    }
}
