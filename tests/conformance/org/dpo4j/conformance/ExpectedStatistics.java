package org.dpo4j.conformance;

import java.util.Arrays;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.dpo4j.kernels.TokenLogProb.Statistic;
import org.dpo4j.testkit.ReferenceTokenLogProb;
import org.dpo4j.testkit.Tolerance;

/**
 * The exact statistics of a row, and how far those of a device may differ.
 *
 * @param z logits
 * @param p their probabilities
 * @param off how far each z may be from the exact one
 * @param target column of the target
 */
record ExpectedStatistics(double[] z, double[] p, double[] off, int target) {

    static ExpectedStatistics of(double[] z, double[] off, int target) {
        double lse = ReferenceTokenLogProb.lse(z);
        double[] p = Arrays.stream(z).map(each -> Math.exp(each - lse)).toArray();
        return new ExpectedStatistics(z, p, off, target);
    }

    double[] values() {
        return each(statistic -> switch (statistic) {
            case ENTROPY -> ReferenceTokenLogProb.entropy(z);
            case HIT -> ReferenceTokenLogProb.hit(z, target);
            case MEAN_LOGIT -> ReferenceTokenLogProb.meanLogit(z);
            case LOG_WEIGHT -> ReferenceTokenLogProb.logWeight(z, target);
        });
    }

    double[] allowed() {
        return each(statistic -> allowed(statistic, z, target) + ofLogits(statistic));
    }

    private interface Value {
        double of(Statistic statistic);
    }

    private static double[] each(Value value) {
        return Arrays.stream(Statistic.values()).mapToDouble(value::of).toArray();
    }

    /** How far a statistic of exact logits may differ from the exact one. */
    static double allowed(Statistic statistic, double[] logits, int target) {
        return switch (statistic) {
            case ENTROPY -> Tolerance.entropy(logits);
            case HIT -> 0;
            case MEAN_LOGIT -> Tolerance.meanLogit(logits);
            case LOG_WEIGHT -> Tolerance.logWeight(logits, target);
        };
    }

    /** Error of the lse that the error of z causes, to first order. {@link #weighted} adds 1 % for the remainder. */
    double ofLse() {
        return weighted(j -> p[j]);
    }

    double ofLogProb() {
        return off[target] + ofLse();
    }

    private double weighted(IntToDoubleFunction weight) {
        return 1.01
                * IntStream.range(0, z.length)
                        .mapToDouble(j -> off[j] == 0 ? 0 : weight.applyAsDouble(j) * off[j])
                        .sum();
    }

    private double ofLogits(Statistic statistic) {
        return switch (statistic) {
            case ENTROPY -> {
                double entropy = ReferenceTokenLogProb.entropy(z);
                yield weighted(j -> p[j] == 0 ? 0 : p[j] * Math.abs(Math.log(p[j]) + entropy));
            }
            case HIT -> closest() <= 2 * Arrays.stream(off).max().orElse(0) && off[target] > 0 ? 1 : 0;
            case MEAN_LOGIT ->
                Arrays.stream(off).sum()
                        / Arrays.stream(z).filter(Double::isFinite).count();
            case LOG_WEIGHT -> {
                double squares = Arrays.stream(p).map(each -> each * each).sum();
                yield ofLogProb() + 2 * ofLse() + 2 * weighted(j -> p[j] * p[j] / squares);
            }
        };
    }

    /** Distance between the target's z and the maximum z of the other columns. */
    private double closest() {
        double other = IntStream.range(0, z.length)
                .filter(j -> j != target)
                .mapToDouble(j -> z[j])
                .max()
                .orElse(0);
        return Math.abs(z[target] - other);
    }
}
