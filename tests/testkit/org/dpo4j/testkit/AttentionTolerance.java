package org.dpo4j.testkit;

import static org.dpo4j.testkit.Tolerance.U;

import java.util.List;
import java.util.function.IntToDoubleFunction;
import org.dpo4j.kernels.DType;
import org.dpo4j.testkit.ReferenceAttention.Gradients;
import org.dpo4j.testkit.ReferenceAttention.View;

/**
 * {@link Tolerance} of attention: the same model of fp32, followed through the loops of {@link ReferenceAttention}.
 *
 * <p>bf16 goes through tensor cores, whose model is the PTX ISA's of mma: products of bf16 are exact, additions at least fp32, but perhaps cut instead
 * of rounded; exponentials below the normal numbers are 0. What multiplies v, d_out, k and q there (weights, d_score) is rounded to bf16 first, while
 * the weights' sum and lse are of the unrounded ones.
 */
public final class AttentionTolerance {
    private final ReferenceAttention attention;
    private final boolean tensorCores;

    public AttentionTolerance(ReferenceAttention attention, DType dtype) {
        this.attention = attention;
        this.tensorCores = dtype == DType.BF16;
    }

    /** Relative error of a sum of n products with respect to their magnitudes. A cut errs by up to 2 U, and always to the same side. */
    private double products(double n) {
        return tensorCores ? 2 * n * U * 1.001 : Tolerance.roundings(n);
    }

    /** Relative error of a left side that is rounded before its product: half a unit in the last of bf16's 8 places. */
    private double left() {
        return tensorCores ? 0x1p-8 : 0;
    }

    /** Absolute error of what is flushed to 0. */
    private double flushed() {
        return tensorCores ? Float.MIN_NORMAL : 0;
    }

    /** Absolute error of any score of a view: headWidth products and their sum, and the scale, perhaps brought to base 2: three more. */
    private double score(View view) {
        double largest = 0;
        for (int key : view.keys()) {
            double magnitude = 0;
            for (int d = 0; d < attention.headWidth; d++) {
                magnitude += Math.abs(attention.q(attention.atQuery(view.query(), view.head()) + d)
                        * attention.k(attention.atKey(key, view.head()) + d));
            }
            largest = Math.max(largest, Math.abs(attention.scale) * magnitude);
        }
        return products(attention.headWidth + 3) * largest;
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
     * Relative error of exp(score - maximum): both scores', the difference's rounding, the exponential's. Where scale and difference are one fma, the
     * maximum is any number near it: it is the same in all weights and in lse, and what it was rounded by is in neither result.
     */
    private static double weight(double score, double spread) {
        return 2 * score + U * spread + Tolerance.exponential(spread);
    }

    /**
     * out = sum(w v) / sum(w). Errors of the weights count in both sums, their rounding before the product in one. Each sum has n terms, and is rescaled
     * at most n times when the maximum moves, by the same factor, so that of the factor only its product's rounding is left. A division, a product.
     */
    public double[] forward(View view) {
        int n = view.keys().length;
        double relative =
                2 * weight(score(view), spread(view)) + left() + products(2 * n) + Tolerance.roundings(2 * n) + 2 * U;
        double[] magnitudes = new double[attention.headWidth];
        double lse = view.lse();
        for (int j = 0; j < n; j++) {
            for (int d = 0; d < attention.headWidth; d++) {
                magnitudes[d] += Math.exp(view.scores()[j] - lse)
                        * Math.abs(attention.v(attention.atKey(view.keys()[j], view.head()) + d));
            }
        }
        for (int d = 0; d < magnitudes.length; d++) {
            magnitudes[d] *= relative;
        }
        return magnitudes;
    }

    /**
     * lse = maximum + log(sum of w): the weights, n terms, at most n rescalings, whose factors' arguments add up to the spread; the logarithm; the sum,
     * perhaps brought back from base 2.
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

    /** How far each gradient may be off. */
    public Gradients backward(double[] dOut, double[] out, double[] lse, Gradients shapes) {
        return backward(attention.views(), dOut, out, lse, shapes);
    }

    /** The same of what some views add. */
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
     * p = exp(score - lse) errs by the score, the difference (twice, in base 2) and the exponential; d_out . v and delta = d_out . out are sums of
     * headWidth products; d_score = p (d_out . v - delta), and then sums over the keys of a query, or the queries of a key, of products with p and
     * d_score, rounded before if they go through tensor cores.
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
        double deltaMagnitude = magnitude(i -> dOut[query + i] * out[query + i]);
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
            double dP = 0;
            for (int d = 0; d < width; d++) {
                dP += dOut[query + d] * attention.v(key + d);
            }
            double dPMagnitude = magnitude(i -> dOut[query + i] * attention.v(key + i));
            double ofDifference = products(width + 2) * dPMagnitude + Tolerance.roundings(width + 2) * deltaMagnitude;
            double dScore = p * Math.abs(dP - delta);
            double ofDScore = ofP * Math.abs(dP - delta) + p * ofDifference + 2 * U * dScore + flushed();
            double keys = left() + products(view.keys().length + 3);
            double queries = left() + products(queriesOfKey[view.keys()[j]] + 3);
            for (int d = 0; d < width; d++) {
                double k = Math.abs(attention.k(key + d));
                double q = Math.abs(attention.q(query + d));
                double dy = Math.abs(dOut[query + d]);
                ofQ[query + d] += scale * k * (ofDScore + keys * dScore);
                ofK[key + d] += scale * q * (ofDScore + queries * dScore);
                ofV[key + d] += dy * (ofP + queries * p);
            }
        }
    }

    private double magnitude(IntToDoubleFunction term) {
        double sum = 0;
        for (int d = 0; d < attention.headWidth; d++) {
            sum += Math.abs(term.applyAsDouble(d));
        }
        return sum;
    }
}
