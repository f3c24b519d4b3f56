package org.dpo4j.train;

import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.store.IndexedRows;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceOptions.Term;

/**
 * The weights of the pairs of a data set.
 *
 * @param min the min weight; 1 if there are no pairs
 * @param max the max weight
 * @param sum the sum of the weights
 */
record PairWeights(float min, float max, double sum) {

    /** Reads the outline of each pair once. Throws, naming the row, if a weight is negative or not finite. */
    static PairWeights read(List<PreferencePair> pairs) {
        float min = pairs.isEmpty() ? 1 : Float.POSITIVE_INFINITY;
        float max = pairs.isEmpty() ? 1 : 0;
        double sum = 0;
        for (int i = 0; i < pairs.size(); i++) {
            float weight = PreferencePair.outline(pairs, i).weight();
            if (!(weight >= 0 && weight < Float.POSITIVE_INFINITY)) {
                throw new Dpo4jException(
                        IndexedRows.place(pairs, i, pairs.get(i).row()) + ": weight is " + weight
                                + "; it must be a number of at least 0");
            }
            min = Math.min(min, weight);
            max = Math.max(max, weight);
            sum += weight;
        }
        return new PairWeights(min, max, sum);
    }

    /** Whether some weight is not 1. */
    boolean differ() {
        return min != 1 || max != 1;
    }

    /** Throws if a loss cannot weigh pairs. */
    void checkLosses(DpoOptions options) {
        for (Term term : options.preference().terms()) {
            if (differ() && term.loss().reduction() == LossType.Reduction.BATCH) {
                throw new Dpo4jException("the rows have weights, but the loss "
                        + term.loss().option()
                        + " sorts all pairs of a micro-batch, so no pair has a loss of its own to"
                        + " weigh; drop weight with column_map, or choose another loss_type");
            }
        }
    }

    /** Throws if the weights of a step sum to 0, so that the step has no mean. */
    void checkSteps(List<PreferencePair> pairs, Steps steps) {
        for (int step = 0; min == 0 && step < steps.total(); step++) {
            int[] rows = steps.microBatches(step).stream()
                    .flatMapToInt(IntStream::of)
                    .toArray();
            if (sum(pairs, rows) == 0) {
                throw new Dpo4jException("the weights of all pairs of step " + (step + 1) + " are 0, "
                        + IndexedRows.place(pairs, rows[0], pairs.get(rows[0]).row())
                        + " among them; leave rows of weight 0 out");
            }
        }
    }

    /** The sum of the weights of these pairs. */
    static double sum(List<PreferencePair> pairs, int[] rows) {
        return IntStream.of(rows)
                .mapToDouble(row -> PreferencePair.outline(pairs, row).weight())
                .sum();
    }

    /** The chosen tokens of these pairs, each as often as its pair's weight says. */
    static double chosenTokens(List<PreferencePair> pairs, int[] rows) {
        return IntStream.of(rows)
                .mapToObj(row -> PreferencePair.outline(pairs, row))
                .mapToDouble(pair -> (double) pair.weight() * pair.chosen())
                .sum();
    }

    /** The bits of what a pair states beside its tokens: nothing if it has weight 1 and no log-probs of a reference. */
    static int[] annotations(PreferencePair pair) {
        if (pair.weight() == 1 && !pair.hasReference()) {
            return new int[0];
        }
        return new int[] {
            Float.floatToIntBits(pair.weight()),
            Float.floatToIntBits(pair.referenceChosen()),
            Float.floatToIntBits(pair.referenceRejected())
        };
    }

    /** One line for a run header. */
    @Override
    public String toString() {
        return String.format(Locale.ROOT, "of pairs, from %s to %s, sum %s", min, max, (float) sum);
    }
}
