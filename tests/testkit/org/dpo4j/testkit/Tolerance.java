package org.dpo4j.testkit;

import org.dpo4j.kernels.DType;

/**
 * How far a result may be from the exact one, derived from the arithmetic that every implementation must do. Inputs are exact: references are given
 * the values as stored.
 *
 * <p>The model of fp32: each rounding is within a relative {@link #U}; an exponential or logarithm is within two units in the last place, and scaling
 * its argument to base 2 costs two roundings of that argument. Fused or reordered operations only round less often.
 */
public final class Tolerance {
    private Tolerance() {}

    /** Unit roundoff of fp32: half a unit in the last place of a 24-bit significand. */
    public static final double U = 0x1p-24;

    /**
     * Relative error of a sum's terms after n roundings. At worst n U; of many independent roundings, 6 sqrt(n) U but for once in 3e7 (Higham and
     * Mary 2019, "A new approach to probabilistic rounding error analysis", theorem 2.4 with lambda = 6). Second-order terms: a thousandth.
     */
    public static double roundings(double n) {
        return Math.min(n, 6 * Math.sqrt(n)) * U * 1.001;
    }

    /** A sum of n products or terms: n - 1 additions and a rounding of each term. */
    public static double sum(int n, double magnitudes) {
        return roundings(n) * magnitudes;
    }

    /** Relative error of an fp32 exponential of an exact argument. */
    public static double exponential(double argument) {
        return (4 + 2 * Math.abs(argument)) * U;
    }

    /**
     * A value known within {@code error} as it is stored: 16 bits round once more, by half a unit in the last place of the largest it may be. What is
     * below the normal numbers of fp32 may be flushed to zero; what is below those of fp16, where most probabilities are, may not.
     */
    public static double stored(DType dtype, double value, double error) {
        int exponent = Math.getExponent(Math.abs(value) + error);
        double rounding = switch (dtype) {
            case F32 -> 0;
            case BF16 -> Math.scalb(0x1p-8, exponent);
            case F16 -> Math.scalb(0x1p-11, Math.max(exponent, -14));
        };
        return error + rounding + Float.MIN_NORMAL;
    }

    // ---- rms_norm
    // ----------------------------------------------------------------------------------------------------------------------

    /** rstd: width squares and their sum, all positive, one division, one addition; halved by the root; root and reciprocal. */
    public static double rstd(int width, double rstd) {
        return (roundings(width + 2) / 2 + 4 * U) * rstd;
    }

    /** y = w x rstd: rstd's error and two products. */
    public static double rmsNorm(int width, double y) {
        return rstd(width, Math.abs(y)) + 2 * U * Math.abs(y);
    }

    /**
     * d_x = d_residual + rstd (g - x rstd^2 dot / width), with dot = sum(g x): a sum of width products of three, then at most eight roundings of each
     * of the two terms, and one of the result's parts. {@code dotMagnitude} is the sum of |g x|.
     */
    public static double rmsNormBackward(
            int width, double residual, double rstd, double g, double x, double dotMagnitude) {
        double viaDot = rstd * rstd * rstd * Math.abs(x) * dotMagnitude / width;
        return 8 * U * (Math.abs(residual) + rstd * Math.abs(g) + viaDot) + roundings(width + 2) * viaDot;
    }

    // ---- rope
    // --------------------------------------------------------------------------------------------------------------------------

    /** a cos - b sin: two products and a sum. */
    public static double rope(double a, double b) {
        return 2 * U * 1.001 * (Math.abs(a) + Math.abs(b));
    }

    // ---- swiglu
    // ------------------------------------------------------------------------------------------------------------------------

    /**
     * gate sigmoid(gate) up: the exponential's error and five roundings. exp(-gate) may overflow for gate below -88, where |silu| is under 2^-120.
     */
    public static double swiglu(double gate, double up, double y) {
        return (exponential(gate) + 5 * U) * Math.abs(y) + 0x1p-120 * Math.abs(up);
    }

    /**
     * dy up s (1 + gate (1 - s)): s has the exponential's error and two roundings, and 1 - s the same absolute error; six more roundings. The terms are
     * s and gate s (1 - s).
     */
    public static double swigluBackwardGate(double dOut, double gate, double up) {
        double s = Functions.sigmoid(gate);
        double relative = exponential(gate) + 8 * U;
        double bracket = 1 + Math.abs(gate) * (1 - s);
        double error = relative * bracket + Math.abs(gate) * (relative * s * (1 - s) + 2 * U) + U * bracket;
        return Math.abs(dOut * up) * (s * error + 0x1p-120);
    }

    // ---- token_logprob
    // -----------------------------------------------------------------------------------------------------------------

    /**
     * log(sum of exp(x_j - m)) over a row. Each term's argument is rounded once and its exponential errs as {@link #exponential}; weighted by the
     * probabilities that is p . |x - m|. The sum of n positive terms; then the running maximum moved at most n times, but each move's factor errs
     * like one more exponential of a distance that adds up to the row's spread where it still matters, which sum's weights already hold: four
     * roundings a halving of the sum, 24 halvings before nothing is left. Then the logarithm.
     */
    public static double logSum(double[] logits) {
        return relativeSum(logits, 1) + 4 * U * Math.abs(ReferenceTokenLogProb.logSum(logits));
    }

    /** Relative error of the sum of exp(power (x_j - m)). */
    private static double relativeSum(double[] logits, int power) {
        double maximum = ReferenceTokenLogProb.maximum(logits);
        double sum = 0;
        double argument = 0;
        for (double logit : logits) {
            double distance = power * (maximum - logit);
            double term = Math.exp(-distance);
            sum += term;
            argument += term == 0 ? 0 : term * 3 * distance * U;
        }
        return argument / sum + power * (4 * U + 4 * 24 * U) + roundings(logits.length);
    }

    /** (x_target - m) - logSum: two roundings. */
    public static double logProb(double[] logits, int target) {
        double distance = ReferenceTokenLogProb.maximum(logits) - logits[target];
        double logProb = Math.abs(ReferenceTokenLogProb.forward(logits, target));
        return logSum(logits) + U * (distance + logProb);
    }

    /** m + logSum: one rounding. */
    public static double lse(double[] logits) {
        return logSum(logits) + U * Math.abs(ReferenceTokenLogProb.lse(logits));
    }

    /**
     * g ((j == target) - p) with p = exp(x - lse): x - lse is rounded once, then the exponential, which may be flushed to zero before it is multiplied, a
     * subtraction and a product.
     */
    public static double logProbBackward(double logit, double lse, double dLogProb, boolean target) {
        double distance = Math.abs(logit - lse);
        double p = Math.exp(logit - lse);
        double relative = p == 0 ? 0 : p * (U * distance + exponential(distance));
        return Math.abs(dLogProb) * (relative + Float.MIN_NORMAL + 2 * U * Math.abs((target ? 1 : 0) - p));
    }

    /**
     * The same in one pass with forward, which need not know the lse as stored: against that one, the logarithm's and the lse's last roundings, a
     * reciprocal and a product; an absolute error in an exponent is a relative one of its exponential.
     */
    public static double logProbBackwardInOnePass(
            double logit, double lse, double logSum, double dLogProb, boolean target) {
        double p = Math.exp(logit - lse);
        double ofLse = Math.expm1(4 * U * Math.abs(logSum) + 2 * U * Math.abs(lse) + 4 * U);
        return logProbBackward(logit, lse, dLogProb, target) + Math.abs(dLogProb) * p * ofLse;
    }

    /**
     * logSum + sum of p_j (m - x_j), no term below 0. A term of the sum errs as its exponential does, a rounding for the distance, one for the product;
     * sum and moves of the maximum as in {@link #relativeSum}; then the division by the sum of exponentials and the addition.
     */
    public static double entropy(double[] logits) {
        double maximum = ReferenceTokenLogProb.maximum(logits);
        double logSum = ReferenceTokenLogProb.logSum(logits);
        double meanDistance = 0;
        double argument = 0;
        for (double logit : logits) {
            double distance = maximum - logit;
            double p = Math.exp(-distance - logSum);
            meanDistance += p == 0 ? 0 : p * distance;
            argument += p == 0 ? 0 : p * distance * 3 * distance * U;
        }
        double relative = 2 * U + 4 * U + 4 * 24 * U + roundings(logits.length) + relativeSum(logits, 1) + U;
        return logSum(logits) + argument + relative * meanDistance + U * (logSum + meanDistance);
    }

    /** A sum, a division, and a rounding more where the sum is of vectors. */
    public static double meanLogit(double[] logits) {
        double magnitudes = 0;
        int count = 0;
        for (double logit : logits) {
            magnitudes += logit == Double.NEGATIVE_INFINITY ? 0 : Math.abs(logit);
            count += logit == Double.NEGATIVE_INFINITY ? 0 : 1;
        }
        return (roundings(logits.length) + 2 * U) * magnitudes / count;
    }

    /**
     * (x_target - m) + logSum - log(sum of exp(2 (x_j - m))): the sum of squares errs as the other one does with twice the distances; a logarithm of each;
     * the additions round what is no larger than the terms together.
     */
    public static double logWeight(double[] logits, int target) {
        double distance = ReferenceTokenLogProb.maximum(logits) - logits[target];
        double logSum = ReferenceTokenLogProb.logSum(logits);
        double logSquares = ReferenceTokenLogProb.logSumOfSquares(logits) + 2 * logSum;
        return logSum(logits)
                + relativeSum(logits, 2)
                + 4 * U * Math.abs(logSquares)
                + 4 * U * (distance + 2 * Math.abs(logSum) + Math.abs(logSquares));
    }

    // ---- what is computed in fp64 and rounded once
    // ---------------------------------------------------------------------------------------

    /** An fp32 result of fp64 arithmetic on few terms: half a unit in the last place, and a thousandth of it for the arithmetic. */
    public static double roundedOnce(double value) {
        return 1.001 * U * Math.abs(value) + Float.MIN_VALUE;
    }

    /** An fp64 sum of n terms, each of a handful of roundings. */
    public static double doubles(int n, double magnitudes) {
        return (n + 8) * 0x1p-53 * magnitudes;
    }

    // ---- adamw
    // -------------------------------------------------------------------------------------------------------------------------

    /**
     * m = (m - s m) + s g with g = clip gradient and s = 1 - b1, b1 at least 0.4 or 0: s itself, two products and two sums; the largest of v has one
     * more, of the square.
     */
    public static double moment(double kept, double added) {
        return 6 * U * (Math.abs(kept) + Math.abs(added));
    }

    /**
     * p - (lr decay p + lr c1 m / (sqrt(c2 v) + epsilon)). {@code kept} is p (1 - lr decay): two roundings of lr decay p, and those of the last sum and
     * the last difference. The update: ten roundings, and
     * the errors of m (absolute) and v (relative, halved by the root). {@code slope} is update / m, {@code of...} the two moments' errors.
     */
    public static double adamw(double kept, double update, double slope, double ofM, double relativeOfV) {
        return 4 * U * Math.abs(kept) + (10 * U + relativeOfV / 2) * Math.abs(update) + Math.abs(slope) * ofM;
    }
}
