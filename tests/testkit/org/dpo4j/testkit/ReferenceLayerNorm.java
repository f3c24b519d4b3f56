package org.dpo4j.testkit;

import java.util.Arrays;
import org.dpo4j.kernels.DType;

/** y = w (x - mean) rstd + b, rstd = 1 / sqrt(mean((x - mean)^2) + epsilon), in double precision. */
public final class ReferenceLayerNorm {
    private ReferenceLayerNorm() {}

    /** Mean and rstd of a row. */
    public record Moments(double mean, double rstd) {
        double normed(double x) {
            return (x - mean) * rstd;
        }
    }

    /** The moments of a row. */
    public static Moments moments(double[] x, double epsilon) {
        double mean = mean(x);
        double variance =
                mean(Arrays.stream(x).map(v -> (v - mean) * (v - mean)).toArray());
        return new Moments(mean, 1 / Math.sqrt(variance + epsilon));
    }

    private static double mean(double[] x) {
        return Arrays.stream(x).sum() / x.length;
    }

    public static double[] forward(double[] x, double[] weight, double[] bias, Moments moments) {
        double[] y = new double[x.length];
        Arrays.setAll(y, j -> weight[j] * moments.normed(x[j]) + bias[j]);
        return y;
    }

    /** One row of y. */
    public static Expected forward(DType dtype, double[] x, double[] weight, double[] bias, double epsilon) {
        double[] y = forward(x, weight, bias, moments(x, epsilon));
        Tolerance.LayerNormRow row = Tolerance.layerNorm(x, epsilon);
        return Expected.stored(dtype, y, j -> row.y(x[j], weight[j], y[j]));
    }

    /** One row of d_x, added to the residual's gradient. The moments count as exact. */
    public static Expected backwardX(
            DType dtype, double[] dOut, double[] x, double[] weight, Moments moments, double[] residual) {
        double[] dX = backwardX(dOut, x, weight, moments);
        double[] g = new double[x.length];
        double[] normed = new double[x.length];
        Arrays.setAll(g, j -> weight[j] * dOut[j]);
        Arrays.setAll(normed, j -> moments.normed(x[j]));
        Arrays.setAll(dX, j -> dX[j] + residual[j]);
        Tolerance.LayerNormGradientRow row = Tolerance.layerNormBackward(moments.rstd, g, normed);
        return Expected.stored(dtype, dX, j -> row.dX(residual[j], g[j], normed[j]));
    }

    /** d_x without the residual's gradient: rstd (g - mean(g) - n mean(g n)) with g = w dy and n = (x - mean) rstd. */
    public static double[] backwardX(double[] dOut, double[] x, double[] weight, Moments moments) {
        double level = 0;
        double slope = 0;
        for (int j = 0; j < x.length; j++) {
            level += weight[j] * dOut[j] / x.length;
            slope += weight[j] * dOut[j] * moments.normed(x[j]) / x.length;
        }
        double[] dX = new double[x.length];
        for (int j = 0; j < x.length; j++) {
            dX[j] = moments.rstd * (weight[j] * dOut[j] - level - moments.normed(x[j]) * slope);
        }
        return dX;
    }

    /** The term of one row in d_w. Its term in d_b is {@code dOut}. */
    public static double[] backwardWeight(double[] dOut, double[] x, Moments moments) {
        double[] dWeight = new double[x.length];
        Arrays.setAll(dWeight, j -> dOut[j] * moments.normed(x[j]));
        return dWeight;
    }
}
