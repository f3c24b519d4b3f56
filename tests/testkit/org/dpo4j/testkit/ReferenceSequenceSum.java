package org.dpo4j.testkit;

/**
 * Sums of rows of values over ranges, in double precision; tokens beyond the length of the pair's other sequence have
 * the factor tail.
 */
public final class ReferenceSequenceSum {
    private ReferenceSequenceSum() {}

    public static double factor(int[] offsets, int sequence, int token, double tail, boolean average) {
        int tokens = offsets[sequence + 1] - offsets[sequence];
        double factor = average ? 1.0 / tokens : 1;
        if (tail == 1) {
            return factor;
        }
        int partner = sequence % 2 == 0 ? sequence + 1 : sequence - 1;
        int ofPartner = offsets[partner + 1] - offsets[partner];
        return token - offsets[sequence] < Math.min(tokens, ofPartner) ? factor : tail * factor;
    }

    public static double[] forward(double[] values, int[] offsets, int width, double tail, boolean average) {
        double[] sums = new double[(offsets.length - 1) * width];
        for (int s = 0; s < offsets.length - 1; s++) {
            for (int i = offsets[s]; i < offsets[s + 1]; i++) {
                double factor = factor(offsets, s, i, tail, average);
                for (int c = 0; factor != 0 && c < width; c++) {
                    sums[s * width + c] += factor * values[i * width + c];
                }
            }
        }
        return sums;
    }

    public static double[] backward(double[] dSums, int[] offsets, int width, double tail, boolean average) {
        double[] dValues = new double[offsets[offsets.length - 1] * width];
        for (int s = 0; s < offsets.length - 1; s++) {
            for (int i = offsets[s]; i < offsets[s + 1]; i++) {
                for (int c = 0; c < width; c++) {
                    dValues[i * width + c] = factor(offsets, s, i, tail, average) * dSums[s * width + c];
                }
            }
        }
        return dValues;
    }
}
