package org.dpo4j.bench.device;

/** Double arithmetic that several gates share. */
final class Reference {
    private Reference() {}

    /** log of the sum of exp. */
    static double lse(double[] values) {
        double maximum = Double.NEGATIVE_INFINITY;
        for (double value : values) {
            maximum = Math.max(maximum, value);
        }
        double sum = 0;
        for (double value : values) {
            sum += Math.exp(value - maximum);
        }
        return maximum + Math.log(sum);
    }

    static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    /** log sigmoid. */
    static double logSigmoid(double x) {
        return x < 0 ? x - Math.log1p(Math.exp(x)) : -Math.log1p(Math.exp(-x));
    }
}
