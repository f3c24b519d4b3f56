package org.dpo4j.conformance;

/** Sums of values over ranges, in double precision. */
final class ReferenceSequenceSum {
    private ReferenceSequenceSum() {}

    static double[] forward(double[] values, int[] offsets) {
        double[] sums = new double[offsets.length - 1];
        for (int s = 0; s < sums.length; s++) {
            for (int i = offsets[s]; i < offsets[s + 1]; i++) {
                sums[s] += values[i];
            }
        }
        return sums;
    }

    static double[] backward(double[] dSums, int[] offsets) {
        double[] dValues = new double[offsets[offsets.length - 1]];
        for (int s = 0; s < dSums.length; s++) {
            for (int i = offsets[s]; i < offsets[s + 1]; i++) {
                dValues[i] = dSums[s];
            }
        }
        return dValues;
    }
}
