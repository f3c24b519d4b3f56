package org.dpo4j.testkit;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.Activation.Kind;

/**
 * How far a result may be from the exact one. Each bound is derived from the arithmetic that every implementation must
 * do. Inputs count as exact, because references read the values as they are stored.
 *
 * <p>The model of fp32: a rounding has a relative error of at most {@link #U}. An exponential or a logarithm has an
 * error of at most two units in the last place. Scaling its argument to base 2 adds two roundings of that argument.
 * Fused operations round less often and reordered ones not more often, so the bounds hold for them too.
 */
public final class Tolerance {
    private Tolerance() {}

    /** Unit roundoff of fp32: half a unit in the last place of a 24-bit significand. */
    public static final double U = 0x1p-24;

    /**
     * Relative error of the terms of a sum after n roundings. It is at most n U. If roundings are independent, the
     * probability that it exceeds 6 sqrt(n) U is 1 in 3e7 (Higham and Mary 2019, "A new approach to probabilistic
     * rounding error analysis", theorem 2.4 with lambda = 6). Second-order terms add a thousandth.
     */
    public static double roundings(double n) {
        return Math.min(n, 6 * Math.sqrt(n)) * U * 1.001;
    }

    /** Error of a sum of n products or terms: n - 1 additions, and one rounding of each term. */
    public static double sum(int n, double magnitudes) {
        return roundings(n) * magnitudes;
    }

    /** Relative error of an fp32 exponential of an exact argument. */
    public static double exponential(double argument) {
        return (4 + 2 * Math.abs(argument)) * U;
    }

    /**
     * Error of a value after it is stored, if its error before is {@code error}. A 16-bit type rounds once more, by
     * half a unit in the last place of the max magnitude that the value may have. A value below the normal numbers of
     * fp32 may be flushed to zero. A value below the normal numbers of fp16 may not, because most probabilities are so
     * small.
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

    /**
     * rstd: {@code width} squares and their sum (all terms are positive), one division, one addition. The square root
     * halves the relative error so far. Root and reciprocal add their own.
     */
    public static double rstd(int width, double rstd) {
        return (roundings(width + 2) / 2 + 4 * U) * rstd;
    }

    /** y = w x rstd: the error of rstd, and two products. */
    public static double rmsNorm(int width, double y) {
        return rstd(width, Math.abs(y)) + 2 * U * Math.abs(y);
    }

    /**
     * d_x = d_residual + rstd (g - x rstd^2 dot / width), with dot = sum(g x): a sum of {@code width} products of three
     * factors; then at most eight roundings of each of the two terms, including that of the final sum. {@code
     * dotMagnitude} is the sum of |g x|.
     */
    public static double rmsNormBackward(
            int width, double residual, double rstd, double g, double x, double dotMagnitude) {
        double viaDot = rstd * rstd * rstd * Math.abs(x) * dotMagnitude / width;
        return 8 * U * (Math.abs(residual) + rstd * Math.abs(g) + viaDot) + roundings(width + 2) * viaDot;
    }

    // ---- layer_norm
    // --------------------------------------------------------------------------------------------------------------------

    /** Errors of one row of layer_norm. */
    public static LayerNormRow layerNorm(double[] x, double epsilon) {
        int n = x.length;
        double mean = 0;
        double magnitude = 0;
        for (double value : x) {
            mean += value / n;
            magnitude += Math.abs(value) / n;
        }
        double variance = 0;
        double spread = 0;
        for (double value : x) {
            variance += (value - mean) * (value - mean) / n;
            spread += Math.abs(value - mean) / n;
        }
        return new LayerNormRow(n, mean, variance, epsilon, roundings(n + 1) * magnitude, spread);
    }

    /**
     * A row of n elements with its exact mean and variance. Every implementation computes a first mean m, whose error
     * is at most {@code shift}: the sum of n terms and a division. It computes the deviations d = x - m, rounded once
     * each, and their mean, the rest. With that,
     *
     * <pre>
     *   y = w ((d - rest) rstd) + b,   rstd = 1 / sqrt(mean(d^2) - rest^2 + epsilon)
     * </pre>
     *
     * @param spread mean of the magnitudes of the deviations from the exact mean
     */
    public record LayerNormRow(int n, double mean, double variance, double epsilon, double shift, double spread) {

        /** Error of the rest: the roundings of n deviations, their sum and a division. */
        private double rest() {
            return roundings(n + 2) * (spread + shift);
        }

        /** Of the stored mean m + rest: the error of the rest, and a rounding. */
        public double mean() {
            return rest() + 2 * U * Math.abs(mean);
        }

        /**
         * Relative error of rstd. mean(d^2) is at most variance + shift^2, and has the roundings of n deviations, their
         * squares, the sum and a division. rest is at most shift. The square root halves the relative error of its
         * argument; subtraction, addition, root and reciprocal add their own.
         */
        public double relativeRstd() {
            double squares = roundings(n + 4) * (variance + shift * shift);
            double ofRest = (2 * shift + rest()) * rest() + U * shift * shift;
            return (squares + ofRest) / (2 * (variance + epsilon)) + 5 * U;
        }

        /**
         * d - rest: d is rounded once, the difference once, and the rest has its error. The products with rstd and
         * weight and the sum with the bias round once each.
         */
        public double y(double x, double weight, double y) {
            double deviation = Math.abs(x - mean);
            double ofDeviation = 2 * U * (deviation + shift) + rest();
            double rstd = 1 / Math.sqrt(variance + epsilon);
            double ofProduct = rstd * (ofDeviation + deviation * (relativeRstd() + 2 * U));
            return 1.001 * (Math.abs(weight) * ofProduct + U * Math.abs(y));
        }
    }

    /** The errors of a row of d_x, of which g and n are given for each element. */
    public static LayerNormGradientRow layerNormBackward(double rstd, double[] g, double[] normed) {
        double level = 0;
        double slope = 0;
        for (int i = 0; i < g.length; i++) {
            level += Math.abs(g[i]) / g.length;
            slope += Math.abs(g[i] * normed[i]) / g.length;
        }
        return new LayerNormGradientRow(g.length, rstd, level, slope);
    }

    /**
     * d_x = d_residual + rstd (g - mean(g) - n mean(g n)), with g = w dy and n = (x - mean) rstd, which is rounded
     * twice. The two means are sums of as many terms as the row has, with up to four roundings in a term, and a
     * division. At most eight roundings of each of the four terms follow, including that of the final sum.
     *
     * @param level mean of |g|
     * @param slope mean of |g n|
     */
    public record LayerNormGradientRow(int width, double rstd, double level, double slope) {

        /** Of one element. */
        public double dX(double residual, double g, double normed) {
            double means = rstd * (level + Math.abs(normed) * slope);
            return 8 * U * (Math.abs(residual) + rstd * Math.abs(g) + means) + roundings(width + 5) * means;
        }
    }

    // ---- rope
    // --------------------------------------------------------------------------------------------------------------------------

    /** a cos - b sin: two products and a sum. */
    public static double rope(double a, double b) {
        return 2 * U * 1.001 * (Math.abs(a) + Math.abs(b));
    }

    // ---- activation
    // --------------------------------------------------------------------------------------------------------------------

    /** Errors of s and s' in y = x s(x): see {@link ReferenceActivation}. */
    private record FactorError(double ofValue, double ofSlope) {}

    /**
     * For the logistic kinds, s = 1 / (1 + t) or t / (1 + t), with t = exp(-|v|). A relative error r of t is r (1 - s) of
     * s.
     *
     * <p>SiLU: v = x is exact. A sum, a reciprocal of two units in the last place and a product follow. s' = s (1 - s), with
     * a subtraction and a product.
     *
     * <p>GELU by tanh: v has six roundings, of two constants and four operations. s has a sum, a reciprocal of two units in
     * the last place, and a product. s' = t / (1 + t)^2 v' has two such sums and reciprocals, four products, and five
     * roundings in v'.
     *
     * <p>GELU by erf: normal_tail.h states the error of the polynomial, 0.57 U + 5 U, and how much an error of t counts:
     * 2.28 times. t has a product, a sum and a reciprocal of two units in the last place. Two products follow. The argument
     * x^2 / 2 of the exponential has three roundings, two of which {@link #exponential} contains. s is the tail, or 1
     * minus the tail.
     */
    private static FactorError factorError(Kind kind, double x) {
        double s = ReferenceActivation.factor(kind, x);
        double slope = ReferenceActivation.slope(kind, x);
        switch (kind) {
            case SILU: {
                double ofValue = exponential(x) * s * (1 - s) + 6 * U * s;
                return new FactorError(ofValue, ofValue * (1 - s) + s * (ofValue + 2 * U));
            }
            case GELU_TANH: {
                double v = ReferenceActivation.logit(x);
                double ofPower = exponential(v) + 6 * U * Math.abs(v);
                return new FactorError(ofPower * s * (1 - s) + 6 * U * s, (ofPower + 19 * U) * slope);
            }
            default: {
                double argument = x * x / 2;
                double ofPower = exponential(argument) + U * argument;
                double tail = Functions.normalCdf(-Math.abs(x));
                return new FactorError(
                        (ofPower + (0.57 + 5 + 2.28 * 6 + 2) * U) * tail + U * s, (ofPower + 2 * U) * slope);
            }
        }
    }

    /**
     * x s up: the error of s, and two products. An exponential below the normal numbers may be flushed to 0: then |x s| is
     * below 2^-119, because |x| is below 88 where SiLU's exponential is 2^-126.
     */
    public static double activation(Kind kind, double x, double up) {
        double y = x * up * ReferenceActivation.factor(kind, x);
        return Math.abs(x * up) * factorError(kind, x).ofValue + 2 * U * Math.abs(y) + 0x1p-119 * Math.abs(up);
    }

    /**
     * dy up (s + x s'): the errors of s and s', and five roundings of these positive magnitudes. An exponential t below
     * the normal numbers may be flushed to 0. Then |x| is at most 91 for SiLU and 14 for the others, and |x s'| is at most
     * 14 * 1.6 * (1 + 0.134 * 14^2) t, which is below 2^-116.
     */
    public static double activationBackward(Kind kind, double dOut, double x, double up) {
        FactorError error = factorError(kind, x);
        double slope = Math.abs(x * ReferenceActivation.slope(kind, x));
        double roundings = 5 * U * (ReferenceActivation.factor(kind, x) + slope);
        return Math.abs(dOut * up) * (error.ofValue + Math.abs(x) * error.ofSlope + roundings + 0x1p-116);
    }

    // ---- token_logprob
    // -----------------------------------------------------------------------------------------------------------------

    /**
     * log(sum of exp(x_j - m)) over a row. The errors are those of {@link #relativeSum}, which are relative to the sum
     * and so absolute in its logarithm, and that of the logarithm itself.
     */
    public static double logSum(double[] logits) {
        return relativeSum(logits, 1) + 4 * U * Math.abs(ReferenceTokenLogProb.logSum(logits));
    }

    /**
     * Relative error of the sum of exp(power (x_j - m)). The argument of each term is rounded once, and its exponential
     * has the error of {@link #exponential}: weighted by the terms, that is {@code argument / sum}. The sum has n
     * positive terms. If the running maximum grows, the sum so far is multiplied by a factor, which is an exponential
     * too. For each term, the arguments of its exponential and of all later factors add up to its distance from m, so
     * {@code argument} contains their errors. Each factor also has an error of 4 U. The bound counts one factor per
     * halving of the earlier sum, and 24 halvings, after which the earlier sum is below the last place.
     */
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

    /** (x_target - m) - logSum: the error of logSum, and two roundings. */
    public static double logProb(double[] logits, int target) {
        double distance = ReferenceTokenLogProb.maximum(logits) - logits[target];
        double logProb = Math.abs(ReferenceTokenLogProb.forward(logits, target));
        return logSum(logits) + U * (distance + logProb);
    }

    /** m + logSum: the error of logSum, and one rounding. */
    public static double lse(double[] logits) {
        return logSum(logits) + U * Math.abs(ReferenceTokenLogProb.lse(logits));
    }

    /**
     * g ((j == target) - p) with p = exp(x - lse): x - lse is rounded once. The exponential has its error, and may be
     * flushed to zero before it is multiplied. A subtraction and a product round once each.
     */
    public static double logProbBackward(double logit, double lse, double dLogProb, boolean target) {
        double distance = Math.abs(logit - lse);
        double p = Math.exp(logit - lse);
        double relative = p == 0 ? 0 : p * (U * distance + exponential(distance));
        return Math.abs(dLogProb) * (relative + Float.MIN_NORMAL + 2 * U * Math.abs((target ? 1 : 0) - p));
    }

    /**
     * The same if forward and backward are one call, which may divide by the sum instead of subtracting the stored lse.
     * The difference between the two is the error of the logarithm and of the last rounding of lse, a reciprocal and a
     * product. An absolute error of an exponent is a relative error of its exponential.
     */
    public static double logProbBackwardInOnePass(
            double logit, double lse, double logSum, double dLogProb, boolean target) {
        double p = Math.exp(logit - lse);
        double ofLse = Math.expm1(4 * U * Math.abs(logSum) + 2 * U * Math.abs(lse) + 4 * U);
        return logProbBackward(logit, lse, dLogProb, target) + Math.abs(dLogProb) * p * ofLse;
    }

    /**
     * logSum + sum of p_j (m - x_j). No term is below 0. A term of the sum has the error of its exponential, one
     * rounding of the distance and one of the product. The sum, and rescaling it to a new maximum, have the errors of
     * {@link #relativeSum}. The division by the sum of exponentials and the addition round once each.
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

    /** A sum and a division; one more rounding if the sum is over vectors. */
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
     * (x_target - m) + logSum - log(sum of exp(2 (x_j - m))): the sum of squares has the error of the other sum, at
     * twice the distances. Both logarithms have their own error. The additions round numbers that are not larger than
     * the sum of the magnitudes of the terms.
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

    /**
     * An fp32 result of fp64 arithmetic on few terms: half a unit in the last place, and a thousandth of that for the
     * arithmetic.
     */
    public static double roundedOnce(double value) {
        return 1.001 * U * Math.abs(value) + Float.MIN_VALUE;
    }

    /** An fp64 sum of n terms, each of which is rounded at most eight times. */
    public static double doubles(int n, double magnitudes) {
        return (n + 8) * 0x1p-53 * magnitudes;
    }

    // ---- adamw
    // -------------------------------------------------------------------------------------------------------------------------

    /**
     * m = (m - s m) + s g with g = clip gradient and s = 1 - b1; b1 is 0 or at least 0.4. Roundings: s itself, two
     * products and two sums. v has one more, of the square.
     */
    public static double moment(double kept, double added) {
        return 6 * U * (Math.abs(kept) + Math.abs(added));
    }

    /**
     * p - (lr decay p + lr c1 m / (sqrt(c2 v) + epsilon)). {@code kept} is p (1 - lr decay): two roundings of lr decay
     * p, and those of the last sum and the last difference. The update has ten roundings and the errors of m and v:
     * {@code ofM} is absolute, and {@code slope} is update / m; {@code relativeOfV} is relative, and the square root
     * halves it.
     */
    public static double adamw(double kept, double update, double slope, double ofM, double relativeOfV) {
        return 4 * U * Math.abs(kept) + (10 * U + relativeOfV / 2) * Math.abs(update) + Math.abs(slope) * ofM;
    }
}
