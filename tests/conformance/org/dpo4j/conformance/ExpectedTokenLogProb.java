package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.function.IntToDoubleFunction;
import org.dpo4j.conformance.TokenLogProbRun.Left;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Statistic;

/** What runs of token_logprob left, against the reference. Masked rows are exactly 0, targets beyond the vocabulary NaN throughout. */
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

    /** Forward alone, forward and backward, and both in one call. */
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

    private void numbers(String what, int row, int target) {
        double[] logits = left.logitsRow(left.logits(), call.logitsRow(row));
        one(
                what + " logprob",
                left.logprob()[row],
                ReferenceTokenLogProb.forward(logits, target),
                Tolerance.logProb(logits, target));
        one(what + " lse", left.lse()[row], ReferenceTokenLogProb.lse(logits), Tolerance.lse(logits));
        if (run.statistics()) {
            statistics(what, left.statisticsRow(row), logits, target);
        }
    }

    private static void statistics(String what, double[] statistics, double[] logits, int target) {
        for (Statistic statistic : Statistic.values()) {
            double expected = switch (statistic) {
                case ENTROPY -> ReferenceTokenLogProb.entropy(logits);
                case HIT -> ReferenceTokenLogProb.hit(logits, target);
                case MEAN_LOGIT -> ReferenceTokenLogProb.meanLogit(logits);
                case LOG_WEIGHT -> ReferenceTokenLogProb.logWeight(logits, target);
            };
            one(what + " " + statistic, statistics[statistic.ordinal()], expected, allowed(statistic, logits, target));
        }
    }

    /** How far a statistic of a row may be from the exact one. */
    static double allowed(Statistic statistic, double[] logits, int target) {
        return switch (statistic) {
            case ENTROPY -> Tolerance.entropy(logits);
            case HIT -> 0;
            case MEAN_LOGIT -> Tolerance.meanLogit(logits);
            case LOG_WEIGHT -> Tolerance.logWeight(logits, target);
        };
    }

    private static void one(String what, double actual, double expected, double allowed) {
        Expect.near(what, new double[] {actual}, new double[] {expected}, i -> allowed);
    }

    private void gradient(String what, int row, int target) {
        if (left.dLogits().length == 0) {
            return;
        }
        double[] logits = left.logitsRow(left.logits(), call.logitsRow(row));
        double lse = left.lse()[row];
        double logSum = ReferenceTokenLogProb.logSum(logits);
        double g = call.dLogProb() == null ? 1 : left.dLogProb()[row];
        double[] expected = ReferenceTokenLogProb.backward(logits, target, lse, g);
        IntToDoubleFunction allowed = onePass
                ? j -> Tolerance.logProbBackwardInOnePass(logits[j], lse, logSum, g, j == target)
                : j -> Tolerance.logProbBackward(logits[j], lse, g, j == target);
        DType stored = run.gradientType();
        Expect.near(
                what + " d_logits",
                left.logitsRow(left.dLogits(), call.logitsRow(row)),
                expected,
                j -> Tolerance.stored(stored, expected[j], allowed.applyAsDouble(j)));
    }
}
