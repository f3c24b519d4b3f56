package org.dpo4j.train;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.checkpoint.SavedState;

/** Tells the user which steps were skipped because their gradient or loss was not finite, and ends the run if there are too many. */
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
     * @param skipped the step
     * @param rows its rows
     * @param applied the last step that changed the weights
     * @param trained the last step
     * @param advice what to do if the run ends
     */
    void report(GradientNorms.Skipped skipped, Rows rows, int applied, int trained, Supplier<String> advice) {
        count++;
        int step = skipped.step();
        String what = skipped.isGradientFinite()
                ? "the loss of step " + step + " is not finite, although its gradient is, so the step was not applied"
                : "the gradient of step " + step + " is not finite, so it was not applied";
        boolean isTooMany = count > max;
        if (isTooMany || (applied == 0 && trained == total)) {
            throw new Dpo4jException(what + " and training stops" + (applied > step ? " after step " + trained : "")
                    + (isTooMany && max > 0 ? ": max_nonfinite_steps is " + max : "") + "; " + rows.words() + "; "
                    + advice.get());
        }
        listener.notice(
                what + " and training goes on (" + count + " of at most " + max + " such steps); " + rows.words());
    }

    /** Tells the listener at the end of the run how many of its steps were skipped, if any were. */
    void tellCount() {
        if (count > 0) {
            listener.notice(count + " of " + total
                    + " steps did not change the weights, because their gradient or loss was" + " not finite"
                    + (2 * count > total ? ": the model is hardly trained; look at the rows" : ""));
        }
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
     * Training rows, by their positions in the list of all.
     *
     * @param step all rows of a step
     * @param nonFinite those whose gradient or loss alone is not finite
     * @param place file and line of a row, which may read the files again
     */
    record Rows(List<Integer> step, List<Integer> nonFinite, IntFunction<String> place) {
        private String words() {
            if (nonFinite.isEmpty()) {
                return "the rows of the step are " + named(step);
            }
            return nonFinite.size() == step.size() && step.size() > 1
                    ? "every row of the step causes it: " + named(step)
                    : (nonFinite.size() == 1 ? "the cause is " : "the causes are ") + named(nonFinite);
        }

        /** The places of rows, in the order of the files. Of several rows of one file, only the first names it. */
        private String named(List<Integer> rows) {
            StringBuilder named = new StringBuilder();
            String file = "";
            for (String each : places(rows)) {
                int number = each.lastIndexOf(' ') + 1;
                boolean isSame = each.substring(0, number).equals(file);
                file = each.substring(0, number);
                named.append(named.isEmpty() ? "" : ", ").append(isSame ? each.substring(number) : each);
            }
            return rows.size() <= MAX_ROWS ? named.toString() : named + " and " + (rows.size() - MAX_ROWS) + " more";
        }

        /** The different places of the first rows; pairs of one row have the same. */
        private List<String> places(List<Integer> rows) {
            List<Integer> first = rows.stream().sorted().limit(MAX_ROWS).toList();
            List<String> places = new ArrayList<>();
            for (int i = first.size() - 1; i >= 0; i--) { // the last row reads the files up to it, once for all
                places.add(place.apply(first.get(i)));
            }
            Collections.reverse(places);
            return places.stream().distinct().toList();
        }
    }
}
