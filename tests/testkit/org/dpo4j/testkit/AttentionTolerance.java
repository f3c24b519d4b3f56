package org.dpo4j.testkit;

import static org.dpo4j.testkit.Tolerance.U;

import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.testkit.ReferenceAttention.Gradients;
import org.dpo4j.testkit.ReferenceAttention.View;

/**
 * {@link Tolerance} of attention: the same model of fp32, applied to the loops of {@link ReferenceAttention}.
 *
 * <p>bf16 runs on tensor cores, for which the PTX ISA promises: products of bf16 are exact, and additions have at least
 * the precision of fp32, but may truncate instead of round. Kernels may flush exponentials below the normal numbers to
 * 0. Weights and d_score are rounded to bf16 before they are multiplied by v, d_out, k and q. The sum of the weights
 * and lse use the unrounded weights.
 */
public final class AttentionTolerance {
    private final ReferenceAttention attention;
    private final boolean tensorCores;

    public AttentionTolerance(ReferenceAttention attention, DType dtype) {
        this.attention = attention;
        this.tensorCores = dtype == DType.BF16;
    }

    /**
     * Error of a sum of n products, relative to the sum of their magnitudes. A truncation has an error of up to 2 U,
     * always with the same sign.
     */
    private double products(double n) {
        return tensorCores ? 2 * n * U * 1.001 : Tolerance.roundings(n);
    }

    /**
     * Relative error of a left operand that is rounded to bf16 before its product: half a unit in the last of the 8
     * bits of its significand.
     */
    private double left() {
        return tensorCores ? 0x1p-8 : 0;
    }

    /** Absolute error of a number that is flushed to 0. */
    private double flushed() {
        return tensorCores ? Float.MIN_NORMAL : 0;
    }

    /**
     * Absolute error of any score of a view: headWidth products and their sum; three more roundings for the scale, and
     * for its conversion to base 2. With a soft cap, a quotient (four roundings on CUDA) and its product come first.
     * The error of tanh, whose slope is at most 1, is 10 U on tensor cores (math.cuh) and otherwise four units in the
     * last place. Then follow two roundings of a score below the cap.
     */
    private double score(View view) {
        double largest = 0;
        for (int key : view.keys()) {
            double magnitude = magnitude(
                    attention.q,
                    attention.atQuery(view.query(), view.head()),
                    attention.k,
                    attention.atKey(key, view.head()));
            largest = Math.max(largest, Math.abs(attention.scale) * magnitude);
        }
        if (attention.softCap == 0) {
            return products(attention.headWidth + 3) * largest;
        }
        return products(attention.headWidth + 8) * largest + (tanh() + 2 * U) * attention.softCap;
    }

    /** Absolute error of tanh. */
    private double tanh() {
        return (tensorCores ? 10 : 8) * U;
    }

    private static double spread(View view) {
        double lowest = Double.POSITIVE_INFINITY;
        double highest = Double.NEGATIVE_INFINITY;
        for (double score : view.scores()) {
            lowest = Math.min(lowest, score);
            highest = Math.max(highest, score);
        }
        return highest - lowest;
    }

    /**
     * Relative error of exp(score - maximum): the errors of both scores, the rounding of the difference, and the error
     * of the exponential. If one fma applies the scale and subtracts the maximum, the rounding error of the maximum
     * does not count: all weights and lse use the same rounded maximum, so its error cancels.
     */
    private static double weight(double score, double spread) {
        return 2 * score + U * spread + Tolerance.exponential(spread);
    }

    /**
     * out = sum(w v) / sum(w). Errors of the weights are in both sums; their rounding before the product is in one.
     * Each sum has n terms. If the maximum grows, which happens at most n times, both sums are multiplied by the same
     * factor. The error of the factor cancels, and the rounding of its product remains. A division and a product
     * follow.
     */
    public double[] forward(View view) {
        int n = view.keys().length;
        double relative =
                2 * weight(score(view), spread(view)) + left() + products(2 * n) + Tolerance.roundings(2 * n) + 2 * U;
        double[] magnitudes = new double[attention.headWidth];
        double lse = view.lse();
        for (int j = 0; j < n; j++) {
            double p = Math.exp(view.scores()[j] - lse);
            int value = attention.atKey(view.keys()[j], view.head());
            for (int d = 0; d < attention.headWidth; d++) {
                magnitudes[d] += p * Math.abs(attention.v[value + d]);
            }
        }
        for (int d = 0; d < magnitudes.length; d++) {
            magnitudes[d] *= relative;
        }
        return magnitudes;
    }

    /**
     * lse = maximum + log(sum of w): the errors of the weights; a sum of n terms; at most n rescalings, the arguments
     * of whose factors add up to the spread; the logarithm; and the last sum, with its conversion from base 2.
     */
    public double lse(View view) {
        int n = view.keys().length;
        double lse = view.lse();
        double rescaling = Tolerance.roundings(5.0 * n) + 2 * U * spread(view);
        double logarithm = 4 * U * Math.log(n);
        return score(view)
                + weight(score(view), spread(view))
                + Tolerance.roundings(n)
                + rescaling
                + logarithm
                + 4 * U * Math.abs(lse);
    }

    /** The allowed error of each gradient. */
    public Gradients backward(double[] dOut, double[] out, double[] lse, Gradients shapes) {
        return backward(attention.views(), dOut, out, lse, shapes);
    }

    /** The allowed error of the part of the gradients that some views add. */
    public Gradients backward(List<View> views, double[] dOut, double[] out, double[] lse, Gradients shapes) {
        double[] ofQ = new double[shapes.dQ().length];
        double[] ofK = new double[shapes.dK().length];
        double[] ofV = new double[shapes.dV().length];
        int[] queriesOfKey = new int[shapes.dK().length / (attention.kvHeads * attention.headWidth) + 1];
        for (View view : views) {
            for (int key : view.keys()) {
                queriesOfKey[key]++;
            }
        }
        for (View view : views) {
            addView(view, dOut, out, lse[view.query() * attention.heads + view.head()], queriesOfKey, ofQ, ofK, ofV);
        }
        return new Gradients(ofQ, ofK, ofV);
    }

    /**
     * p = exp(score - lse) has the errors of the score, of the difference (twice, in base 2) and of the exponential.
     * d_out . v and delta = d_out . out are sums of headWidth products, and d_score = p (d_out . v - delta). The
     * gradients are sums of products with p and d_score over the keys of a query, or the queries of a key. On tensor
     * cores p and d_score are rounded first. The slope 1 - t^2 of a soft cap, t = tanh, has twice the errors of t, which
     * are those of the score over the cap, and three roundings; d_score is rounded once more.
     */
    private void addView(
            View view,
            double[] dOut,
            double[] out,
            double lse,
            int[] queriesOfKey,
            double[] ofQ,
            double[] ofK,
            double[] ofV) {
        int width = attention.headWidth;
        double scale = Math.abs(attention.scale);
        int query = attention.atQuery(view.query(), view.head());
        double delta = attention.dot(dOut, query, out, query);
        double deltaMagnitude = magnitude(dOut, query, out, query);
        double ofScore = score(view);
        for (int j = 0; j < view.keys().length; j++) {
            int key = attention.atKey(view.keys()[j], view.head());
            double exponent = view.scores()[j] - lse;
            double p = Math.exp(exponent);
            double ofP = p
                            * (ofScore
                                    + 3 * U * (Math.abs(view.scores()[j]) + Math.abs(lse))
                                    + Tolerance.exponential(exponent))
                    + flushed();
            double dP = attention.dot(dOut, query, attention.v, key);
            double dPMagnitude = magnitude(dOut, query, attention.v, key);
            double ofDifference = products(width + 2) * dPMagnitude + Tolerance.roundings(width + 2) * deltaMagnitude;
            double slope = attention.slope(view.scores()[j]);
            double ofSlope = attention.softCap == 0 ? 0 : 2 * ofScore / attention.softCap + 3 * U;
            double dScore = p * Math.abs(dP - delta) * slope;
            double ofDScore = (ofP * Math.abs(dP - delta) + p * ofDifference) * slope
                    + p * (Math.abs(dP - delta) + ofDifference) * ofSlope
                    + 3 * U * dScore
                    + flushed();
            double keys = left() + products(view.keys().length + 3);
            double queries = left() + products(queriesOfKey[view.keys()[j]] + 3);
            for (int d = 0; d < width; d++) {
                double k = Math.abs(attention.k[key + d]);
                double q = Math.abs(attention.q[query + d]);
                double dy = Math.abs(dOut[query + d]);
                ofQ[query + d] += scale * k * (ofDScore + keys * dScore);
                ofK[key + d] += scale * q * (ofDScore + queries * dScore);
                ofV[key + d] += dy * (ofP + queries * p);
            }
        }
    }

    /** Sum of the magnitudes of the products that {@link ReferenceAttention#dot} adds. */
    private double magnitude(double[] a, int atA, double[] b, int atB) {
        double sum = 0;
        for (int d = 0; d < attention.headWidth; d++) {
            sum += Math.abs(a[atA + d] * b[atB + d]);
        }
        return sum;
    }
}
