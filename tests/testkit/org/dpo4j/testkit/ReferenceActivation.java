package org.dpo4j.testkit;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.Activation.Function;
import org.dpo4j.kernels.decoder.Activation.Kind;

/**
 * y = x s(x), or gated y = x s(x) up, in double precision. s is sigmoid(x) for SiLU, the normal distribution function for
 * GELU by erf, and the sigmoid of {@link #logit} for GELU by tanh. A gated row holds all x, then all ups.
 */
public final class ReferenceActivation {
    private static final double SLOPE = 2 * Math.sqrt(2 / Math.PI);

    private ReferenceActivation() {}

    /** sigmoid(2 v) = 0.5 (1 + tanh(v)); this is 2 v. */
    static double logit(double x) {
        return SLOPE * (x + 0.044715 * x * x * x);
    }

    /** s(x). */
    public static double factor(Kind kind, double x) {
        return switch (kind) {
            case SILU -> Functions.sigmoid(x);
            case GELU_ERF -> Functions.normalCdf(x);
            case GELU_TANH -> Functions.sigmoid(logit(x));
        };
    }

    /** s'(x). */
    public static double slope(Kind kind, double x) {
        double logit = kind == Kind.SILU ? x : logit(x);
        double logistic = Functions.sigmoid(logit) * Functions.sigmoid(-logit);
        return switch (kind) {
            case SILU -> logistic;
            case GELU_ERF -> Functions.normalDensity(x);
            case GELU_TANH -> logistic * SLOPE * (1 + 3 * 0.044715 * x * x);
        };
    }

    public static double forward(Kind kind, double x, double up) {
        return x * factor(kind, x) * up;
    }

    public static double backwardX(Kind kind, double dOut, double x, double up) {
        return dOut * up * (factor(kind, x) + x * slope(kind, x));
    }

    public static double backwardUp(Kind kind, double dOut, double x) {
        return forward(kind, x, dOut);
    }

    /** One row of y. */
    public static Expected forward(DType dtype, Function function, double[] x) {
        int width = function.isGated() ? x.length / 2 : x.length;
        double[] up = ups(function, x, width);
        double[] y = new double[width];
        Arrays.setAll(y, j -> forward(function.kind(), x[j], up[j]));
        return Expected.stored(dtype, y, j -> Tolerance.activation(function.kind(), x[j], up[j]));
    }

    /** The gradient of one row of x, and of ups. */
    public static Expected backward(DType dtype, Function function, double[] dOut, double[] x) {
        int width = dOut.length;
        double[] up = ups(function, x, width);
        double[] dX = new double[x.length];
        Arrays.setAll(
                dX,
                i -> i < width
                        ? backwardX(function.kind(), dOut[i], x[i], up[i])
                        : backwardUp(function.kind(), dOut[i - width], x[i - width]));
        return Expected.stored(
                dtype,
                dX,
                i -> i < width
                        ? Tolerance.activationBackward(function.kind(), dOut[i], x[i], up[i])
                        : Tolerance.activation(function.kind(), x[i - width], dOut[i - width]));
    }

    /** Without a gate, ones. */
    private static double[] ups(Function function, double[] x, int width) {
        if (function.isGated()) {
            return Arrays.copyOfRange(x, width, 2 * width);
        }
        double[] ones = new double[width];
        Arrays.fill(ones, 1);
        return ones;
    }
}
