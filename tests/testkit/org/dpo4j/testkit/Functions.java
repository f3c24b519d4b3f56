package org.dpo4j.testkit;

/** Functions in double precision that several references use. */
public final class Functions {
    private Functions() {}

    public static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }

    public static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    /** The density of the normal distribution. */
    public static double normalDensity(double x) {
        return Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
    }

    /**
     * The distribution function of the normal distribution. Up to |x| = 3 a series of positive terms (Abramowitz and
     * Stegun, 26.2.11); below, a continued fraction (26.2.14), whose first 200 terms are enough for double precision.
     */
    public static double normalCdf(double x) {
        if (x > 3) {
            return 1 - normalCdf(-x);
        }
        if (x >= -3) {
            double term = x;
            double sum = x;
            for (int odd = 3; odd < 101; odd += 2) {
                term *= x * x / odd;
                sum += term;
            }
            return 0.5 + normalDensity(x) * sum;
        }
        double fraction = -x;
        for (int n = 200; n > 0; n--) {
            fraction = n / fraction - x;
        }
        return normalDensity(x) / fraction;
    }

    public static double logSigmoid(double x) {
        return x < 0 ? x - Math.log1p(Math.exp(x)) : -Math.log1p(Math.exp(-x));
    }
}
