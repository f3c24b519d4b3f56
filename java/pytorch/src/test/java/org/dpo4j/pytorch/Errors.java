package org.dpo4j.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * How far results may be from the exact ones of the same logits, each a bound over the batch.
 *
 * @param logProb of a token's log-prob
 * @param softmax of an element of a softmax
 * @param sum of a sum of log-probs
 * @param slope largest d loss / d sum, which is exact
 * @param gradient of an element of the gradient by logits before it is stored
 * @param type of the logits, which the gradient is stored in
 */
record Errors(double logProb, double softmax, double sum, double slope, double gradient, ScalarType type) {
    /** Unit roundoff of fp32. */
    static final double U = 0x1p-24;

    /**
     * An exponential errs by (4 + 2 d) U for an argument of size d, which was rounded once: (4 + 3 d) U, and so does the sum of a row's; its vocabulary
     * terms add V U, the logarithm and the two roundings of lse and log-prob five of the largest size. A completion adds at most four of these and
     * rounds once. d loss / d sum then moves by the curvature times two sums, and is rounded twice on its way to the rows. The softmax
     * p = exp(x - lse) errs by lse's error and as an exponential does; one subtraction and one product follow.
     */
    static Errors of(Tensor logits, Tensor sums, Tensor dSums, double curvature) {
        double vocabulary = logits.size(1);
        double size = Values.largest(Values.of(logits)) + Math.log(vocabulary);
        double logProb = (4 + 3 * 2 * size + vocabulary + 5 * 2 * size) * U;
        double sum = 4 * logProb + U * Values.largest(Values.of(sums));
        double slope = Values.largest(Values.of(dSums));
        double ofSlope = 2 * curvature * sum + 2 * U * slope;
        double softmax = logProb + (4 + 3 * 2 * size) * U;
        return new Errors(logProb, softmax, sum, slope, ofSlope + slope * (softmax + 4 * U), ScalarType.Float);
    }

    Errors in(ScalarType other) {
        return new Errors(logProb, softmax, sum, slope, gradient, other);
    }

    /** Half a unit in the last place, relative to the value. */
    private double storing() {
        return switch (type) {
            case BFloat16 -> 0x1p-8;
            case Half -> 0x1p-11;
            default -> 0;
        };
    }

    /** The same below the normal numbers of a Half. */
    private double underflow() {
        return type == ScalarType.Half ? 0x1p-25 : 0;
    }

    /** Of an element of the gradient, this large at most. */
    double stored(double largest) {
        return gradient + underflow() + storing() * (largest + gradient);
    }

    /** Of an element of {@code dLogits factors}, fp32: the errors of the gradient, and roundings of as many terms as there are. */
    double product(Tensor dLogits, Tensor factors) {
        Tensor magnitudes = factors.detach().to(ScalarType.Double).abs();
        double terms = Values.largest(Values.of(dLogits.abs().mm(magnitudes)));
        double columns = Values.largest(Values.of(magnitudes.sum(0)));
        double relative = storing() + dLogits.size(1) * U;
        return relative * terms + (1 + relative) * (gradient + underflow()) * columns;
    }

    static void near(String what, Tensor is, Tensor expected, double tolerance) {
        double[] a = Values.of(is);
        double[] b = Values.of(expected);
        assertThat(a).as(what).hasSameSizeAs(b);
        assertThat(Values.largest(b))
                .as(what + " is of a size that errors show in")
                .isGreaterThan(20 * tolerance);
        for (int i = 0; i < a.length; i++) {
            assertThat(a[i]).as(what + "[" + i + "]").isCloseTo(b[i], within(tolerance));
        }
    }
}
