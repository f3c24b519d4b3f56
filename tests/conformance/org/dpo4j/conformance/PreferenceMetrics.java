package org.dpo4j.conformance;

import org.dpo4j.kernels.PreferenceLoss.Metric;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Statistic;
import org.dpo4j.testkit.Tolerance;

/** Computes the expected metrics of a call from its inputs and its losses, and compares. */
final class PreferenceMetrics {
    private final double[] sums;
    private final double[] magnitudes;
    /** The largest number by which a margin is multiplied, or by which its square changes with it. */
    private double factor = 1;

    private PreferenceMetrics(double[] start) {
        sums = start.clone();
        magnitudes = new double[start.length];
        for (int i = 0; i < start.length; i++) {
            magnitudes[i] = Math.abs(start[i]);
        }
    }

    static void check(String what, PreferenceVariant variant, PreferenceCall call, PreferenceCall.Left left) {
        double[] start = call.metrics();
        int[] lengths = call.lengths();
        if (start == null || lengths == null) {
            return;
        }
        PreferenceMetrics expected = new PreferenceMetrics(start);
        double beta = variant.numbers().beta();
        for (int i = 0; i < call.pairs(); i++) {
            double chosen = left.sums()[2 * i];
            double rejected = left.sums()[2 * i + 1];
            double rewardChosen = beta * (chosen - (call.reference() == null ? 0 : left.reference()[2 * i]));
            double rewardRejected = beta * (rejected - (call.reference() == null ? 0 : left.reference()[2 * i + 1]));
            expected.add(Metric.LOSS, left.losses()[i], call.weight(i));
            expected.add(Metric.REWARD_CHOSEN, rewardChosen, 1);
            expected.add(Metric.REWARD_REJECTED, rewardRejected, 1);
            expected.add(Metric.ACCURACY, rewardChosen > rewardRejected ? 1 : 0, 1);
            expected.add(Metric.MARGIN, rewardChosen - rewardRejected, 1);
            expected.add(Metric.LOGP_CHOSEN, chosen, 1);
            expected.add(Metric.LOGP_REJECTED, rejected, 1);
            double margin = rewardChosen - rewardRejected;
            double difference = lengths[2 * i] - lengths[2 * i + 1];
            expected.add(Metric.LENGTH_CHOSEN, lengths[2 * i], 1);
            expected.add(Metric.LENGTH_REJECTED, lengths[2 * i + 1], 1);
            expected.add(Metric.LENGTH_SQUARE, difference * difference, 1);
            expected.add(Metric.MARGIN_SQUARE, margin * margin, 1);
            expected.add(Metric.MARGIN_LENGTH, margin * difference, 1);
            expected.factor = Math.max(expected.factor, Math.max(Math.abs(difference), 2 * Math.abs(margin)));
            for (int side = 0; side < 2; side++) {
                int completion = 2 * i + side;
                double[] row = new double[TokenLogProb.STATISTICS];
                System.arraycopy(left.statistics(), completion * row.length, row, 0, row.length);
                int tokens = lengths[completion];
                expected.add(
                        side == 0 ? Metric.LOGIT_CHOSEN : Metric.LOGIT_REJECTED,
                        row[Statistic.MEAN_LOGIT.ordinal()],
                        tokens);
                expected.add(Metric.ENTROPY, row[Statistic.ENTROPY.ordinal()], tokens);
                if (side == 0) {
                    expected.add(Metric.TOKEN_ACCURACY, row[Statistic.HIT.ordinal()], tokens);
                }
            }
        }
        // A reward is beta times a difference of sums. It is rounded three times, relative to the sums' magnitudes.
        // Products with margins magnify that by the other factor.
        double ofSums = beta * 1000 * call.pairs();
        Expect.near(
                what + " metrics",
                left.metrics(),
                expected.sums,
                m -> Tolerance.doubles(
                        2 * call.pairs() + 1, expected.magnitudes[m] + ofSums * (isProduct(m) ? expected.factor : 1)));
    }

    private static boolean isProduct(int sum) {
        return sum / 2 == Metric.MARGIN_SQUARE.ordinal() || sum / 2 == Metric.MARGIN_LENGTH.ordinal();
    }

    private void add(Metric metric, double value, double count) {
        sums[2 * metric.ordinal()] += value;
        magnitudes[2 * metric.ordinal()] += Math.abs(value);
        sums[2 * metric.ordinal() + 1] += count;
        magnitudes[2 * metric.ordinal() + 1] += count;
    }
}
