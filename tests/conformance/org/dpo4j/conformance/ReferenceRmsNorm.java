package org.dpo4j.conformance;

/** y = w x rstd, rstd = 1 / sqrt(mean(x^2) + epsilon), in double precision. */
final class ReferenceRmsNorm {
    private ReferenceRmsNorm() {}

    static double rstd(double[] x, double epsilon) {
        double squares = 0;
        for (double value : x) {
            squares += value * value;
        }
        return 1 / Math.sqrt(squares / x.length + epsilon);
    }

    static double[] forward(double[] x, double[] weight, double rstd) {
        double[] y = new double[x.length];
        for (int j = 0; j < x.length; j++) {
            y[j] = weight[j] * x[j] * rstd;
        }
        return y;
    }

    /** d_x without the residual's gradient: rstd (g - x rstd^2 mean(g x)) with g = w dy. */
    static double[] backwardX(double[] dOut, double[] x, double[] weight, double rstd) {
        double mean = 0;
        for (int j = 0; j < x.length; j++) {
            mean += weight[j] * dOut[j] * x[j] / x.length;
        }
        double[] dX = new double[x.length];
        for (int j = 0; j < x.length; j++) {
            dX[j] = rstd * (weight[j] * dOut[j] - x[j] * rstd * rstd * mean);
        }
        return dX;
    }

    /** What one row adds to d_w. */
    static double[] backwardWeight(double[] dOut, double[] x, double rstd) {
        double[] dWeight = new double[x.length];
        for (int j = 0; j < x.length; j++) {
            dWeight[j] = dOut[j] * x[j] * rstd;
        }
        return dWeight;
    }
}
