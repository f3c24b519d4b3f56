package org.dpo4j.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * How far results may differ from the exact ones for the same logits. Each number is a bound over the batch.
 *
 * @param logProb error of a token's log-prob
 * @param softmax error of an element of the softmax
 * @param sum error of a sum of log-probs
 * @param slope max d loss / d sum, which is exact
 * @param gradient error of an element of the gradient of the logits before it is stored
 * @param type dtype of the logits and their gradient
 */
record Errors(double logProb, double softmax, double sum, double slope, double gradient, ScalarType type) {
    /** Unit roundoff of fp32. */
    static final double U = 0x1p-24;

    /**
     * The relative error of an exponential is (4 + 2 d) U for an argument of magnitude d. The argument was rounded
     * once, so it is (4 + 3 d) U, also for the sum over a row. The V terms of the sum add V U. The logarithm and the
     * two roundings of lse and log-prob add five roundings of the max magnitude. A completion adds at most four
     * log-probs and rounds once. The error of d loss / d sum is the curvature times the error of two sums, plus two
     * roundings. The error of the softmax p = exp(x - lse) is the error of lse plus that of an exponential; one
     * subtraction and one product follow.
     */
    static Errors of(Tensor logits, Tensor sums, Tensor dSums, double curvature) {
        double vocabulary = logits.size(1);
        double size = Values.maxMagnitude(Values.of(logits)) + Math.log(vocabulary);
        double logProb = (4 + 3 * 2 * size + vocabulary + 5 * 2 * size) * U;
        double sum = 4 * logProb + U * Values.maxMagnitude(Values.of(sums));
        double slope = Values.maxMagnitude(Values.of(dSums));
        double ofSlope = 2 * curvature * sum + 2 * U * slope;
        double softmax = logProb + (4 + 3 * 2 * size) * U;
        return new Errors(logProb, softmax, sum, slope, ofSlope + slope * (softmax + 4 * U), ScalarType.Float);
    }

    Errors in(ScalarType other) {
        return new Errors(logProb, softmax, sum, slope, gradient, other);
    }

    /** Error of rounding to the dtype: half a unit in the last place, relative to the value. */
    private double storing() {
        return switch (type) {
            case BFloat16 -> 0x1p-8;
            case Half -> 0x1p-11;
            default -> 0;
        };
    }

    /** Error of rounding a subnormal Half, absolute. */
    private double underflow() {
        return type == ScalarType.Half ? 0x1p-25 : 0;
    }

    /** Error of a stored element of the gradient whose magnitude is at most {@code max}. */
    double stored(double max) {
        return gradient + underflow() + storing() * (max + gradient);
    }

    /**
     * Error of an element of the fp32 product {@code dLogits factors}: the errors of the gradient, plus one rounding
     * per term.
     */
    double product(Tensor dLogits, Tensor factors) {
        Tensor magnitudes = factors.detach().to(ScalarType.Double).abs();
        double terms = Values.maxMagnitude(Values.of(dLogits.abs().mm(magnitudes)));
        double columns = Values.maxMagnitude(Values.of(magnitudes.sum(0)));
        double relative = storing() + dLogits.size(1) * U;
        return relative * terms + (1 + relative) * (gradient + underflow()) * columns;
    }

    static void near(String what, Tensor is, Tensor expected, double tolerance) {
        double[] a = Values.of(is);
        double[] b = Values.of(expected);
        assertThat(a).as(what).hasSameSizeAs(b);
        assertThat(Values.maxMagnitude(b))
                .as(what + " is of a size that errors show in")
                .isGreaterThan(20 * tolerance);
        for (int i = 0; i < a.length; i++) {
            assertThat(a[i]).as(what + "[" + i + "]").isCloseTo(b[i], within(tolerance));
        }
    }
}
