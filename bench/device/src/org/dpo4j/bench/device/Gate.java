package org.dpo4j.bench.device;

import java.util.Locale;
import org.dpo4j.kernels.DType;

/**
 * What an operation must pass for its time to count: sampled results against double arithmetic on the very inputs. A time that was taken behind a
 * gate that failed is marked, since it may still say where a kernel stands.
 *
 * <p>A bound is a share of a result's magnitude, the sum of the absolute values of its terms. In fp32, whose unit is
 * 2^-24, a sum of n terms errs by less than 6 sqrt(n) units of that but once in 10^7 sums (Higham and Mary 2019), and
 * what comes before and after the sum by 16 units; a result or an intermediate that is stored in bf16 by 2^-8 of it.
 */
final class Gate {
    private static final double UNIT = 0x1p-24;

    /** A result that is wrong, or that is another one in a repeat: which, and by how much. */
    static final class Failed extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Failed(String message) {
            super(message);
        }
    }

    private final String name;
    private double worst;

    Gate(String name) {
        this.name = name;
    }

    /** Share of its magnitude by which a sum of {@code terms} terms, stored so, may be off. */
    static double sum(double terms, DType stored) {
        return (6 * Math.sqrt(terms) + 16) * UNIT + (stored == DType.F32 ? 0 : 0x1p-8);
    }

    /** One result. */
    void value(String what, double expected, double actual, double bound) {
        double error = Math.abs(expected - actual);
        if (!(error <= bound)) {
            throw new Failed(String.format(
                    Locale.ROOT, "%s: %s is %.9g, must be %.9g within %.3g", name, what, actual, expected, bound));
        }
        worst = Math.max(worst, bound == 0 ? 0 : error / bound);
    }

    /** Results side by side; {@code magnitudes} as the class says. */
    void values(String what, double[] expected, double[] actual, double[] magnitudes, double share) {
        for (int i = 0; i < expected.length; i++) {
            value(what + "[" + i + "]", expected[i], actual[i], share * magnitudes[i] + Float.MIN_NORMAL);
        }
    }

    /** Results of one term each, or a few. */
    void values(String what, double[] expected, double[] actual, double share) {
        double[] magnitudes = new double[expected.length];
        for (int i = 0; i < expected.length; i++) {
            magnitudes[i] = Math.abs(expected[i]);
        }
        values(what, expected, actual, magnitudes, share);
    }

    /** Whether the call, done {@code times} times, has left the bits of the first time. */
    void repeat(int times, boolean same) {
        if (!same) {
            throw new Failed(name + ": repeat " + times + " left other bits than the first");
        }
    }

    /** The largest error so far, as a share of its bound. */
    double worst() {
        return worst;
    }
}
