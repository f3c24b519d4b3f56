package org.dpo4j.train;

import java.util.stream.IntStream;

/**
 * A set of evaluation rows.
 *
 * @param name its name; empty for the only set of a run
 * @param begin index of its first row in {@link EvalRows}
 * @param end index after its last row
 */
record EvalSet(String name, int begin, int end) {

    /** The start of the names of its metrics, as in transformers: {@code eval_} or {@code eval_NAME_}. */
    String prefix() {
        return name.isEmpty() ? "eval_" : "eval_" + name + "_";
    }

    /** Number of rows. */
    int size() {
        return end - begin;
    }

    /** The indices of its rows. */
    int[] rows() {
        return IntStream.range(begin, end).toArray();
    }
}
