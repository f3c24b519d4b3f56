package org.dpo4j.data;

import java.util.AbstractList;
import java.util.List;
import java.util.RandomAccess;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The completions of pairs as single rows: the chosen one is desirable, the rejected one is not. The order is TRL's
 * ({@code unpair_preference_dataset}): of each 1,000 pairs first the chosen completions, then the rejected ones. So
 * neighbouring rows have different prompts.
 */
final class UnpairedRows extends AbstractList<UnpairedCompletion> implements RandomAccess {
    /** {@code datasets.Dataset.map} gives this many rows to a function at once. */
    private static final int BLOCK = 1000;

    private final List<PreferencePair> pairs;

    /** Throws, naming the row, if a pair states a weight or log-probs of the reference, which single rows do not have. */
    UnpairedRows(List<PreferencePair> pairs) {
        this.pairs = pairs;
        for (PreferencePair pair : pairs) {
            if (pair.weight() != 1) {
                throw new Dpo4jException("row " + pair.row() + " has the weight " + pair.weight()
                        + ", but the losses of kto have no weights of rows; leave weights out, or train with dpo");
            }
            if (pair.hasReference()) {
                throw new Dpo4jException("row " + pair.row() + " has log-probs of a reference, which kto does not read;"
                        + " leave their columns out, or train with dpo");
            }
        }
    }

    @Override
    public int size() {
        return Math.multiplyExact(2, pairs.size());
    }

    @Override
    public UnpairedCompletion get(int index) {
        int first = index / (2 * BLOCK) * BLOCK;
        int block = Math.min(BLOCK, pairs.size() - first);
        int within = index - 2 * first;
        PreferencePair pair = pairs.get(first + within % block);
        return within < block
                ? new UnpairedCompletion(pair.row(), pair.prompt(), pair.chosen(), true)
                : new UnpairedCompletion(pair.row(), pair.rejectedPrompt(), pair.rejected(), false);
    }
}
