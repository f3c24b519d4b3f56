package org.dpo4j.train;

import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.checkpoint.SavedState;

/** Tells the user which steps were skipped because their gradient was not finite, and ends the run if there are too many. */
final class NonFiniteSteps {
    /** Maximum number of rows that a line names. */
    private static final int MAX_ROWS = 20;

    private final int max;
    private final int total;
    private final RunListener listener;
    private int count;

    /**
     * Begins to count.
     *
     * @param max maximum number of such steps of a run
     * @param total number of steps of the run
     * @param listener receives a notice for each
     */
    NonFiniteSteps(int max, int total, RunListener listener) {
        this.max = max;
        this.total = total;
        this.listener = listener;
    }

    /**
     * A step was skipped. Throws if it is one too many, or if no step of the run changed the weights.
     *
     * @param step the step, counted from 1
     * @param rows its rows
     * @param applied the last step that changed the weights
     * @param trained the last step
     * @param advice what to do if the run ends
     */
    void report(int step, Rows rows, int applied, int trained, Supplier<String> advice) {
        count++;
        String what = "the gradient of step " + step + " is not finite, so it was not applied";
        boolean isTooMany = count > max;
        if (isTooMany || (applied == 0 && trained == total)) {
            throw new Dpo4jException(what + " and training stops" + (applied > step ? " after step " + trained : "")
                    + (isTooMany && max > 0 ? ": max_nonfinite_steps is " + max : "") + "; " + rows.words() + "; "
                    + advice.get());
        }
        listener.notice(
                what + " and training goes on (" + count + " of at most " + max + " such steps); " + rows.words());
    }

    /** Number of steps that were skipped. */
    int count() {
        return count;
    }

    /** Lists the number of steps. */
    void state(SavedState saved) {
        saved.whole("nonfinite_steps", () -> count, value -> count = (int) value);
    }

    /**
     * Row numbers of the data set.
     *
     * @param step all rows of a step
     * @param nonFinite those whose gradient alone is not finite
     */
    record Rows(List<Integer> step, List<Integer> nonFinite) {
        private String words() {
            if (nonFinite.isEmpty()) {
                return "the rows of the step are " + named(step);
            }
            return nonFinite.size() == step.size() && step.size() > 1
                    ? "every row of the step causes it: " + named(step)
                    : (nonFinite.size() == 1 ? "the cause is row " : "the causes are rows ") + named(nonFinite);
        }

        private static String named(List<Integer> rows) {
            String first = rows.stream().limit(MAX_ROWS).map(String::valueOf).collect(Collectors.joining(", "));
            return rows.size() <= MAX_ROWS ? first : first + " and " + (rows.size() - MAX_ROWS) + " more";
        }
    }
}
