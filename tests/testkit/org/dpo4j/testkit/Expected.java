package org.dpo4j.testkit;

import java.util.Arrays;
import java.util.function.IntToDoubleFunction;
import org.dpo4j.kernels.DType;

/** The exact values of a result, and how far from each the result may be. */
public record Expected(double[] values, double[] allowed) {

    /** Values that are computed with an error of at most {@code error} each, and then stored in {@code dtype}. */
    public static Expected stored(DType dtype, double[] values, IntToDoubleFunction error) {
        return within(values, i -> Tolerance.stored(dtype, values[i], error.applyAsDouble(i)));
    }

    /** Results of one fp32 operation on stored inputs, then stored in {@code dtype}. */
    public static Expected rounded(DType dtype, double[] values) {
        return stored(dtype, values, i -> Tolerance.U * Math.abs(values[i]));
    }

    public static Expected exact(double... values) {
        return within(values, i -> 0);
    }

    public static Expected within(double[] values, IntToDoubleFunction allowed) {
        double[] bounds = new double[values.length];
        Arrays.setAll(bounds, allowed);
        return new Expected(values, bounds);
    }
}
