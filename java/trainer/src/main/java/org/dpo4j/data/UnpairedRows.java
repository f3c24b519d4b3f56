package org.dpo4j.data;

import java.util.AbstractList;
import java.util.List;
import java.util.RandomAccess;
import org.dpo4j.data.store.IndexedRows;
import org.dpo4j.kernels.Dpo4jException;

/**
 * The completions of pairs as single rows: the chosen one is desirable, the rejected one is not. The order is TRL's
 * ({@code unpair_preference_dataset}): of each 1,000 pairs first the chosen completions, then the rejected ones. So
 * neighbouring rows have different prompts.
 */
final class UnpairedRows extends AbstractList<UnpairedCompletion> implements RandomAccess, IndexedRows {
    /** {@code datasets.Dataset.map} gives this many rows to a function at once. */
    private static final int BLOCK = 1000;

    private final List<PreferencePair> pairs;

    /** Throws, naming the row, if a pair states a weight or log-probs of the reference, which single rows do not have. */
    UnpairedRows(List<PreferencePair> pairs) {
        this.pairs = pairs;
        for (int i = 0; i < pairs.size(); i++) {
            PreferencePair.Outline pair = PreferencePair.outline(pairs, i);
            if (pair.weight() != 1) {
                throw new Dpo4jException(
                        IndexedRows.place(pairs, i, pairs.get(i).row()) + " has the weight " + pair.weight()
                                + ", but the losses of kto have no weights of rows; leave weights out, or train with dpo");
            }
            if (pair.hasReference()) {
                throw new Dpo4jException(
                        IndexedRows.place(pairs, i, pairs.get(i).row())
                                + " has log-probs of a reference, which kto does not read;"
                                + " leave their columns out, or train with dpo");
            }
        }
    }

    @Override
    public int size() {
        return Math.multiplyExact(2, pairs.size());
    }

    /** The pair that a row is from. */
    private int pair(int index) {
        int first = index / (2 * BLOCK) * BLOCK;
        return first + (index - 2 * first) % block(first);
    }

    private boolean isChosen(int index) {
        int first = index / (2 * BLOCK) * BLOCK;
        return index - 2 * first < block(first);
    }

    /** Pairs of the block that begins with this one. */
    private int block(int first) {
        return Math.min(BLOCK, pairs.size() - first);
    }

    @Override
    public String place(int index, int number) {
        return IndexedRows.place(pairs, pair(index), number);
    }

    @Override
    public int[] numbers(int index) {
        PreferencePair.Outline pair = PreferencePair.outline(pairs, pair(index));
        return isChosen(index)
                ? new UnpairedCompletion.Outline(pair.prompt(), pair.chosen(), 0, true).numbers()
                : new UnpairedCompletion.Outline(pair.rejectedLength() - pair.rejected(), pair.rejected(), 0, false)
                        .numbers();
    }

    @Override
    public UnpairedCompletion get(int index) {
        PreferencePair pair = pairs.get(pair(index));
        return isChosen(index)
                ? new UnpairedCompletion(pair.row(), pair.prompt(), pair.chosen(), true)
                : new UnpairedCompletion(pair.row(), pair.rejectedPrompt(), pair.rejected(), false);
    }
}
