package org.dpo4j.conformance;

import java.nio.DoubleBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import org.dpo4j.conformance.TokenLogProbRun.Left;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.testkit.ReferenceTokenLogProb;
import org.dpo4j.testkit.Tolerance;
import org.jspecify.annotations.Nullable;

/**
 * Compares results of token_logprob with the reference. All results of a masked row are exactly 0, and those of a
 * target beyond the vocabulary are NaN.
 */
final class ExpectedTokenLogProb {
    private final TokenLogProbRun run;
    private final TokenLogProbCall call;
    private final Left left;
    private final boolean onePass;

    private ExpectedTokenLogProb(TokenLogProbRun run, TokenLogProbCall call, Left left, boolean onePass) {
        this.run = run;
        this.call = call;
        this.left = left;
        this.onePass = onePass;
    }

    /** Forward only, forward and then backward, and both in one call. */
    static void everyWay(TokenLogProbRun run, TokenLogProbCall call) {
        forward(run, call);
        inTwoCalls(run, call);
        inOneCall(run, call);
    }

    static void forward(TokenLogProbRun run, TokenLogProbCall call) {
        new ExpectedTokenLogProb(run, call, run.forward(call), false).check();
    }

    static void inTwoCalls(TokenLogProbRun run, TokenLogProbCall call) {
        new ExpectedTokenLogProb(run, call, run.inTwoCalls(call), false).check();
    }

    static void inOneCall(TokenLogProbRun run, TokenLogProbCall call) {
        new ExpectedTokenLogProb(run, call, run.inOneCall(call), true).check();
    }

    private void check() {
        for (int row = 0; row < call.rows(); row++) {
            int target = call.targets()[row];
            String what = "%s %s -> %s%s, row %d, target %d"
                    .formatted(call, run.logitsType(), run.gradientType(), onePass ? " in one call" : "", row, target);
            if (target < 0) {
                all(what, row, 0);
            } else if (target >= call.vocabulary()) {
                all(what, row, Double.NaN);
            } else {
                numbers(what, row, target);
                gradient(what, row, target);
            }
        }
    }

    private void all(String what, int row, double value) {
        Expect.exactly(what, new double[] {left.logprob()[row], left.lse()[row]}, new double[] {value, value});
        if (run.statistics()) {
            Expect.exactly(what + " statistics", left.statisticsRow(row), filled(TokenLogProb.STATISTICS, value));
        }
        if (left.dLogits().length > 0) {
            double[] dLogits = left.logitsRow(left.dLogits(), call.logitsRow(row));
            Expect.exactly(what + " d_logits", dLogits, filled(call.vocabulary(), value));
        }
    }

    private static double[] filled(int count, double value) {
        double[] values = new double[count];
        Arrays.fill(values, value);
        return values;
    }

    /** The transformed logits z of a row, their probabilities p, and {@code off}, the error that fp32 may make in z. */
    private static final class Seen {
        private static final Remembered<Seen> SEEN = new Remembered<>(32);

        final double[] z;
        final double[] p;
        final double[] off;
        final double logSum;
        private final int target;
        private final ExpectedStatistics expected;
        private double @Nullable [][] numbers;
        private double @Nullable [][] statistics;

        private Seen(LogitTransform transform, double[] logits, int target) {
            this.target = target;
            z = transform.z(logits);
            logSum = ReferenceTokenLogProb.logSum(z);
            off = Arrays.stream(z).map(transform::errorOfZ).toArray();
            expected = ExpectedStatistics.of(z, off, target);
            p = expected.p();
        }

        static Seen of(LogitTransform transform, double[] logits, int target) {
            double[] bias = transform.bias() == null ? new double[0] : transform.bias();
            List<Object> key = List.of(
                    DoubleBuffer.wrap(bias), transform.scale(), transform.cap(), DoubleBuffer.wrap(logits), target);
            return SEEN.get(key, () -> new Seen(transform, logits, target));
        }

        /** The exact log-prob and lse, and how far the computed ones may differ. */
        double[][] numbers() {
            if (numbers == null) {
                numbers = new double[][] {
                    {ReferenceTokenLogProb.forward(z, target), ReferenceTokenLogProb.lse(z)},
                    {Tolerance.logProb(z, target) + expected.ofLogProb(), Tolerance.lse(z) + expected.ofLse()}
                };
            }
            return numbers;
        }

        /** The same for the statistics. */
        double[][] statistics() {
            if (statistics == null) {
                statistics = new double[][] {expected.values(), expected.allowed()};
            }
            return statistics;
        }
    }

    private void numbers(String what, int row, int target) {
        Seen seen = Seen.of(call.transform(), left.logitsRow(left.logits(), call.logitsRow(row)), target);
        double[][] numbers = seen.numbers();
        double[] actual = {left.logprob()[row], left.lse()[row]};
        Expect.near(what + " logprob, lse", actual, numbers[0], i -> numbers[1][i]);
        if (run.statistics()) {
            double[][] statistics = seen.statistics();
            Expect.near(what + " statistics", left.statisticsRow(row), statistics[0], i -> statistics[1][i]);
        }
    }

    private void gradient(String what, int row, int target) {
        if (left.dLogits().length == 0) {
            return;
        }
        double[] logits = left.logitsRow(left.logits(), call.logitsRow(row));
        LogitTransform transform = call.transform();
        Seen seen = Seen.of(transform, logits, target);
        double lse = left.lse()[row];
        double g = call.dLogProb() == null ? 1 : left.dLogProb()[row];
        double[] byZ = ReferenceTokenLogProb.backward(seen.z, target, lse, g);
        double[] expected = new double[byZ.length];
        Arrays.setAll(expected, j -> byZ[j] * transform.slope(logits[j], j));
        IntToDoubleFunction ofByZ = onePass
                ? j -> Tolerance.logProbBackwardInOnePass(seen.z[j], lse, seen.logSum, g, j == target)
                : j -> Tolerance.logProbBackward(seen.z[j], lse, g, j == target);
        IntToDoubleFunction ofZ = j -> seen.off[j] == 0 ? 0 : Math.abs(g) * 1.01 * seen.p[j] * seen.off[j];
        boolean plain = transform.equals(LogitTransform.NONE);
        IntToDoubleFunction allowed = plain
                ? ofByZ
                : j -> (ofByZ.applyAsDouble(j) + ofZ.applyAsDouble(j) + Tolerance.U * Math.abs(byZ[j]))
                                * transform.slope(logits[j], j)
                        + Math.abs(byZ[j]) * transform.errorOfSlope();
        DType stored = run.gradientType();
        Expect.near(
                what + " d_logits",
                left.logitsRow(left.dLogits(), call.logitsRow(row)),
                expected,
                j -> Tolerance.stored(stored, expected[j], allowed.applyAsDouble(j)));
    }
}
