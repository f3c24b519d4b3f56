package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Map;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.Metric;
import org.junit.jupiter.api.Test;

/** Metrics from the sums that the loss kernel adds up. */
class PreferenceMeansTest {
    private static final String CORRELATION = "lengths/margin_correlation";

    private static double[] sums(double[] margins, int[] chosen, int[] rejected) {
        double[] sums = new double[PreferenceLoss.METRICS];
        for (int i = 0; i < margins.length; i++) {
            double difference = chosen[i] - rejected[i];
            add(sums, Metric.LOSS, 1);
            add(sums, Metric.MARGIN, margins[i]);
            add(sums, Metric.LENGTH_CHOSEN, chosen[i]);
            add(sums, Metric.LENGTH_REJECTED, rejected[i]);
            add(sums, Metric.LENGTH_SQUARE, difference * difference);
            add(sums, Metric.MARGIN_SQUARE, margins[i] * margins[i]);
            add(sums, Metric.MARGIN_LENGTH, margins[i] * difference);
        }
        return sums;
    }

    private static void add(double[] sums, Metric metric, double value) {
        sums[2 * metric.ordinal()] += value;
        sums[2 * metric.ordinal() + 1]++;
    }

    /** numpy.corrcoef of the margins and the length differences 10, -10, 25 and 5. Fp64 sums lose a few of 16 digits. */
    @Test
    void theCorrelationIsThatOfNumpy() {
        Map<String, Double> means = PreferenceMeans.of(
                sums(new double[] {0.5, -1.25, 2, 3.5}, new int[] {30, 10, 45, 12}, new int[] {20, 20, 20, 7}), true);
        assertThat(means.get(CORRELATION)).isCloseTo(0.5603682526842079, within(1e-14));
        assertThat(means).containsEntry("lengths/chosen", 24.25).containsEntry("lengths/rejected", 16.75);
    }

    /** As before the first step: all margins are 0, and no number is made of roundings. */
    @Test
    void equalMarginsHaveNoCorrelation() {
        for (double margin : new double[] {0, 0.1, 1e-9}) {
            double[] margins = {margin, margin, margin};
            assertThat(PreferenceMeans.of(sums(margins, new int[] {3, 5, 9}, new int[] {4, 4, 4}), true))
                    .doesNotContainKey(CORRELATION);
        }
        double[] margins = {1, 2, 3};
        assertThat(PreferenceMeans.of(sums(margins, new int[] {9, 9, 9}, new int[] {4, 4, 4}), true))
                .doesNotContainKey(CORRELATION);
    }

    /** Of a line whose steps were all skipped: nothing is 0 that was not measured. */
    @Test
    void withoutPairsEveryMetricIsNaN() {
        assertThat(PreferenceMeans.of(new double[PreferenceLoss.METRICS], true))
                .containsOnlyKeys(PreferenceMeans.names(true))
                .allSatisfy((name, value) -> assertThat(value).isNaN());
        assertThat(UnpairedMeans.of(new double[PreferenceLoss.METRICS], true))
                .containsOnlyKeys(UnpairedMeans.names(true))
                .allSatisfy((name, value) -> assertThat(value).isNaN());
    }
}
