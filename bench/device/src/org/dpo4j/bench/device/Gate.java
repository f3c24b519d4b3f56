package org.dpo4j.bench.device;

import java.util.Locale;
import java.util.function.IntFunction;
import java.util.function.IntToDoubleFunction;
import org.dpo4j.testkit.Expected;

/**
 * The check that results must pass before a time counts. It compares samples of the results with the references and
 * tolerances of the conformance tests, on the inputs of the benchmark. If it fails, the time is kept but marked,
 * because it may still show how fast a kernel is.
 */
final class Gate {

    /** Its message says which result is wrong and by how much, or that a repeat gave other bits. */
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

    void value(String what, double expected, double actual, double allowed) {
        double error = Math.abs(expected - actual);
        if (!(error <= allowed)) {
            throw new Failed(String.format(
                    Locale.ROOT, "%s: %s is %.9g, must be %.9g within %.3g", name, what, actual, expected, allowed));
        }
        worst = Math.max(worst, allowed == 0 ? 0 : error / allowed);
    }

    void values(String what, double[] expected, double[] actual, IntToDoubleFunction allowed) {
        for (int i = 0; i < expected.length; i++) {
            value(what + "[" + i + "]", expected[i], actual[i], allowed.applyAsDouble(i));
        }
    }

    void values(String what, Expected expected, double[] actual) {
        values(what, expected.values(), actual, i -> expected.allowed()[i]);
    }

    /** Compares some rows of a matrix, over the width of the expected row. */
    void rows(String what, Operand matrix, int[] rows, IntFunction<Expected> expected) {
        for (int row : rows) {
            Expected ofRow = expected.apply(row);
            values(what + " of row " + row, ofRow, matrix.row(row, ofRow.values().length));
        }
    }

    /** Throws if repeat number {@code times} gave other bits than the first call. */
    void repeat(int times, boolean isSame) {
        if (!isSame) {
            throw new Failed(name + ": repeat " + times + " left other bits than the first");
        }
    }

    /** The max error so far, divided by the allowed error. */
    double worst() {
        return worst;
    }
}
