package org.dpo4j.conformance;

import java.nio.DoubleBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.dpo4j.conformance.TokenLogProbRun.Left;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Statistic;
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
        private double @Nullable [][] numbers;
        private double @Nullable [][] statistics;

        private Seen(LogitTransform transform, double[] logits, int target) {
            this.target = target;
            z = transform.z(logits);
            logSum = ReferenceTokenLogProb.logSum(z);
            double lse = ReferenceTokenLogProb.maximum(z) + logSum;
            p = Arrays.stream(z).map(each -> Math.exp(each - lse)).toArray();
            off = Arrays.stream(z).map(transform::errorOfZ).toArray();
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
                    {Tolerance.logProb(z, target) + ofLogProb(target), Tolerance.lse(z) + ofLse()}
                };
            }
            return numbers;
        }

        /** The same for the statistics. */
        double[][] statistics() {
            if (statistics == null) {
                Statistic[] all = Statistic.values();
                statistics = new double[2][all.length];
                for (int i = 0; i < all.length; i++) {
                    statistics[0][i] = switch (all[i]) {
                        case ENTROPY -> ReferenceTokenLogProb.entropy(z);
                        case HIT -> ReferenceTokenLogProb.hit(z, target);
                        case MEAN_LOGIT -> ReferenceTokenLogProb.meanLogit(z);
                        case LOG_WEIGHT -> ReferenceTokenLogProb.logWeight(z, target);
                    };
                    statistics[1][i] = allowed(all[i], z, target) + of(all[i], target);
                }
            }
            return statistics;
        }

        /**
         * Error of the lse that the error of z causes, to first order. {@link #weighted} adds 1 % for the remainder.
         */
        double ofLse() {
            return weighted(j -> p[j]);
        }

        double ofLogProb(int target) {
            return off[target] + ofLse();
        }

        double weighted(IntToDoubleFunction weight) {
            return 1.01
                    * IntStream.range(0, z.length)
                            .mapToDouble(j -> off[j] == 0 ? 0 : weight.applyAsDouble(j) * off[j])
                            .sum();
        }

        double of(Statistic statistic, int target) {
            return switch (statistic) {
                case ENTROPY -> {
                    double entropy = ReferenceTokenLogProb.entropy(z);
                    yield weighted(j -> p[j] == 0 ? 0 : p[j] * Math.abs(Math.log(p[j]) + entropy));
                }
                case HIT -> closest(target) <= 2 * Arrays.stream(off).max().orElse(0) && off[target] > 0 ? 1 : 0;
                case MEAN_LOGIT ->
                    Arrays.stream(off).sum()
                            / Arrays.stream(z).filter(Double::isFinite).count();
                case LOG_WEIGHT -> {
                    double squares = Arrays.stream(p).map(each -> each * each).sum();
                    yield ofLogProb(target) + 2 * ofLse() + 2 * weighted(j -> p[j] * p[j] / squares);
                }
            };
        }

        /** Distance between the target's z and the maximum z of the other columns. */
        private double closest(int target) {
            double other = IntStream.range(0, z.length)
                    .filter(j -> j != target)
                    .mapToDouble(j -> z[j])
                    .max()
                    .orElse(0);
            return Math.abs(z[target] - other);
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

    /** How far a statistic of a row may differ from the exact one. */
    static double allowed(Statistic statistic, double[] logits, int target) {
        return switch (statistic) {
            case ENTROPY -> Tolerance.entropy(logits);
            case HIT -> 0;
            case MEAN_LOGIT -> Tolerance.meanLogit(logits);
            case LOG_WEIGHT -> Tolerance.logWeight(logits, target);
        };
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
