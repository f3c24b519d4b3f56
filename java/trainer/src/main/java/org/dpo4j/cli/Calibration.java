package org.dpo4j.cli;

import java.util.ArrayList;
import java.util.List;

/**
 * Calibration of a reward model: its accuracy as a function of its confidence (Guo et al. 2017, On Calibration of Modern
 * Neural Networks). By Bradley and Terry, the answer with the larger reward is the better one with probability sigmoid(|margin|),
 * the confidence. It is right if the chosen answer has the larger reward; a margin of 0 counts as half right.
 *
 * @param bins equal parts of the confidences from 0.5 to 1, in this order; empty ones are left out
 * @param error expected calibration error: the mean over pairs of |accuracy - confidence| of their bin
 */
record Calibration(List<Bin> bins, double error) {

    /**
     * The pairs whose confidence lies in one part.
     *
     * @param minMargin of |margin|
     * @param maxMargin of |margin|, infinite for the last bin
     * @param pairs how many
     * @param confidence mean
     * @param accuracy share that is right
     */
    record Bin(double minMargin, double maxMargin, int pairs, double confidence, double accuracy) {}

    /** Sorts the pairs with these margins into bins. */
    static Calibration measure(double[] margins, int bins) {
        int[] pairs = new int[bins];
        double[] confidence = new double[bins];
        double[] right = new double[bins];
        for (double margin : margins) {
            double sure = 1 / (1 + Math.exp(-Math.abs(margin)));
            int bin = Math.min(bins - 1, (int) ((sure - 0.5) * 2 * bins));
            pairs[bin]++;
            confidence[bin] += sure;
            right[bin] += margin > 0 ? 1 : margin == 0 ? 0.5 : 0;
        }
        List<Bin> filled = new ArrayList<>();
        double error = 0;
        for (int i = 0; i < bins; i++) {
            if (pairs[i] > 0) {
                filled.add(new Bin(
                        margin(0.5 + 0.5 * i / bins),
                        margin(0.5 + 0.5 * (i + 1) / bins),
                        pairs[i],
                        confidence[i] / pairs[i],
                        right[i] / pairs[i]));
                error += Math.abs(right[i] - confidence[i]) / margins.length;
            }
        }
        return new Calibration(filled, error);
    }

    /** The |margin| of a confidence. */
    private static double margin(double confidence) {
        return Math.log(confidence / (1 - confidence));
    }
}
