package org.dpo4j.testkit;

import org.dpo4j.kernels.DType;

/** y = w x rstd, rstd = 1 / sqrt(mean(x^2) + epsilon), in double precision. */
public final class ReferenceRmsNorm {
    private ReferenceRmsNorm() {}

    public static double rstd(double[] x, double epsilon) {
        double squares = 0;
        for (double value : x) {
            squares += value * value;
        }
        return 1 / Math.sqrt(squares / x.length + epsilon);
    }

    public static double[] forward(double[] x, double[] weight, double rstd) {
        double[] y = new double[x.length];
        for (int j = 0; j < x.length; j++) {
            y[j] = weight[j] * x[j] * rstd;
        }
        return y;
    }

    /** One row of y. */
    public static Expected forward(DType dtype, double[] x, double[] weight, double epsilon) {
        double[] y = forward(x, weight, rstd(x, epsilon));
        return Expected.stored(dtype, y, j -> Tolerance.rmsNorm(y.length, y[j]));
    }

    /** One row of d_x, added to the residual's gradient. */
    public static Expected backwardX(
            DType dtype, double[] dOut, double[] x, double[] weight, double rstd, double[] residual) {
        double[] dX = backwardX(dOut, x, weight, rstd);
        double dot = 0;
        for (int j = 0; j < x.length; j++) {
            dX[j] += residual[j];
            dot += Math.abs(weight[j] * dOut[j] * x[j]);
        }
        double magnitude = dot;
        return Expected.stored(
                dtype,
                dX,
                j -> Tolerance.rmsNormBackward(x.length, residual[j], rstd, weight[j] * dOut[j], x[j], magnitude));
    }

    /** d_x without the residual's gradient: rstd (g - x rstd^2 mean(g x)) with g = w dy. */
    public static double[] backwardX(double[] dOut, double[] x, double[] weight, double rstd) {
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

    /** The term of one row in d_w. */
    public static double[] backwardWeight(double[] dOut, double[] x, double rstd) {
        double[] dWeight = new double[x.length];
        for (int j = 0; j < x.length; j++) {
            dWeight[j] = dOut[j] * x[j] * rstd;
        }
        return dWeight;
    }
}
