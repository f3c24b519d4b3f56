package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.function.IntToDoubleFunction;
import org.dpo4j.testkit.Expected;

/** Compares results of a device with the expected ones. */
final class Expect {
    private Expect() {}

    /**
     * Fails unless every element is within its tolerance of the expected one. If the expected value is NaN or an
     * infinity, the element must be the same.
     */
    static void near(String what, double[] actual, double[] expected, IntToDoubleFunction tolerance) {
        assertThat(actual).as(what).hasSameSizeAs(expected);
        for (int i = 0; i < actual.length; i++) {
            if (Double.isFinite(expected[i])) {
                double allowed = tolerance.applyAsDouble(i);
                double error = Math.abs(actual[i] - expected[i]);
                if (!(error <= allowed)) {
                    throw new AssertionError("%s [%d]: %s, expected %s: off by %.3e, allowed %.3e"
                            .formatted(what, i, actual[i], expected[i], error, allowed));
                }
            } else {
                assertThat((Double) actual[i]).as("%s [%d]", what, i).isEqualTo((Double) expected[i]);
            }
        }
    }

    static void near(String what, double[] actual, Expected expected) {
        near(what, actual, expected.values(), i -> expected.allowed()[i]);
    }

    /** As {@link #near} with a tolerance of 0. 0.0 and -0.0 are equal. */
    static void exactly(String what, double[] actual, double[] expected) {
        near(what, actual, expected, i -> 0);
    }

    /** Fails unless both have the same length and the same bits. */
    static void sameBits(String what, long[] actual, long[] expected) {
        int at = Arrays.mismatch(actual, expected);
        if (at >= 0) {
            throw new AssertionError(
                    "%s: other bits, first at [%d] of %d and %d".formatted(what, at, actual.length, expected.length));
        }
    }
}
