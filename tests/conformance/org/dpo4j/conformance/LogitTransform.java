package org.dpo4j.conformance;

import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Tolerance;
import org.jspecify.annotations.Nullable;

/**
 * {@code z = cap tanh(scale (x + bias) / cap)} in double precision, or {@code scale (x + bias)} if cap is 0, and how
 * far fp32 may be from it. Biases, scale and cap are rounded to fp32.
 *
 * @param bias of each column, or null
 */
record LogitTransform(double @Nullable [] bias, double scale, double cap) {
    static final LogitTransform NONE = new LogitTransform(null, 1, 0);

    Transform on(long address) {
        return new Transform(address, (float) scale, (float) cap);
    }

    /** A transform with random biases of about this size. */
    static LogitTransform random(int vocabulary, double size, double scale, double cap) {
        return new LogitTransform(new Draw(vocabulary).normal(vocabulary, size), scale, cap);
    }

    private double scaled(double logit, int column) {
        return (float) scale * (logit + (bias == null ? 0 : (float) bias[column]));
    }

    double z(double logit, int column) {
        double scaled = scaled(logit, column);
        if (cap == 0 || scaled == Double.NEGATIVE_INFINITY) {
            return scaled;
        }
        return (float) cap * Math.tanh(scaled / (float) cap);
    }

    double[] z(double[] logits) {
        double[] z = new double[logits.length];
        for (int j = 0; j < z.length; j++) {
            z[j] = z(logits[j], j);
        }
        return z;
    }

    /** dz / dx. */
    double slope(double logit, int column) {
        if (cap == 0) {
            return (float) scale;
        }
        double cosh = Math.cosh(scaled(logit, column) / (float) cap);
        return (float) scale / (cosh * cosh);
    }

    /**
     * Roundings of a sum and a product. With a cap also: two of its reciprocal and the product with that; tanh, which
     * is within two units in the last place and does not increase the error of its argument; and a product.
     */
    double errorOfZ(double z) {
        if (equals(NONE) || Double.isInfinite(z)) {
            return 0;
        }
        return (cap == 0 ? 2 : 9) * Tolerance.U * 1.001 * Math.abs(z);
    }

    /**
     * The slope is {@code scale (1 - t) (1 + t)}. The error of t is 8 U, so that of the slope is twice that plus three
     * roundings, times at most scale. It may be larger than the slope.
     */
    double errorOfSlope() {
        return cap == 0 ? 0 : 19 * Tolerance.U * 1.001 * scale;
    }

    @Override
    public String toString() {
        return equals(NONE) ? "" : " %sscale %s cap %s".formatted(bias == null ? "" : "bias ", scale, cap);
    }
}
