package org.dpo4j.train;

import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PairLayout;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.store.IndexedRows;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.reference.RowHash;
import org.jspecify.annotations.Nullable;

/**
 * Log-probs of the completions of every row under a model's current weights: 4 bytes per completion. Training computes the
 * same bits while the weights are unchanged, because it takes the same code path and a completion's log-prob does not
 * depend on the rest of the batch.
 *
 * @param sums those of row 0, then of row 1, ...; of a pair, chosen and rejected
 * @param each sums of a row: 2 of a pair, 1 of a completion
 */
public record ReferenceLogProbs(float[] sums, int each) {
    /** The sums of a pair. */
    static final List<String> COMPLETIONS = List.of("chosen completion", "rejected completion");

    /**
     * Computes the log-probs of all pairs, in batches of {@code batch}, or more if they are short. Throws, naming the row,
     * if one is not finite.
     */
    public static ReferenceLogProbs compute(
            ScoringModel model, List<PreferencePair> pairs, int batch, RunListener listener) {
        PairLayout layout = new PairLayout(true, model.model().architecture().shortLength());
        ReferencePass.Part part = ReferencePass.Part.unknown(
                rows(pairs, IntStream.range(0, pairs.size()).toArray(), layout));
        ReferencePass.compute(model, List.of(part), batch, listener);
        return new ReferenceLogProbs(part.sums(), 2);
    }

    private static ReferenceRows<PreferencePair> rows(List<PreferencePair> pairs, int[] read, PairLayout layout) {
        return new ReferenceRows<>(
                source(pairs, layout, row -> {
                    throw new IllegalStateException("nothing is kept");
                }),
                read,
                true,
                COMPLETIONS,
                null);
    }

    /** Pairs as a reference reads them. */
    static ReferenceRows.Source<PreferencePair> source(
            List<PreferencePair> pairs, PairLayout layout, IntFunction<RowHash> hash) {
        return new ReferenceRows.Source<>(
                pairs,
                batch -> PackedBatch.pairs(batch, layout),
                row -> size(PreferencePair.outline(pairs, row), layout),
                hash,
                PreferencePair::row);
    }

    /** The sizes of a pair that its memory depends on. */
    static Passes.BatchSize size(PreferencePair.Outline pair, PairLayout layout) {
        int targets = pair.chosen() + pair.rejected();
        return new Passes.BatchSize(layout.tokens(pair), targets, targets, pair.length(), 1);
    }

    /** Whether the rows of the pairs with the indices {@code read} state them. Throws if only some do. */
    static boolean areGiven(List<PreferencePair> pairs, int[] read) {
        int count = 0;
        for (int row : read) {
            count += PreferencePair.outline(pairs, row).hasReference() ? 1 : 0;
        }
        if (count > 0 && count < read.length) {
            int without = IntStream.of(read)
                    .filter(row -> !PreferencePair.outline(pairs, row).hasReference())
                    .findFirst()
                    .orElseThrow();
            throw new Dpo4jException(
                    IndexedRows.place(pairs, without, pairs.get(without).row())
                            + " has no ref_chosen_logps, but " + count + " of "
                            + read.length
                            + " rows have it; give it in all rows, or drop ref_chosen_logps and ref_rejected_logps"
                            + " with column_map");
        }
        return count > 0;
    }

    /** The log-probs that rows state, those of other pairs than {@code read} are NaN; null if they state none. */
    static float @Nullable [] given(List<PreferencePair> pairs, int[] read) {
        if (!areGiven(pairs, read)) {
            return null;
        }
        float[] sums = new float[2 * pairs.size()];
        Arrays.fill(sums, Float.NaN);
        for (int row : read) {
            PreferencePair.Outline pair = PreferencePair.outline(pairs, row);
            sums[2 * row] = pair.referenceChosen();
            sums[2 * row + 1] = pair.referenceRejected();
        }
        return sums;
    }

    /** The sums of these rows, in the order in which {@link PackedBatch} places their completions. */
    float[] select(int[] rows) {
        float[] selected = new float[each * rows.length];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(sums, each * rows[i], selected, each * i, each);
        }
        return selected;
    }

    /** Batches of these log-probs. */
    Reference.Sums batches(HostBuffer host) {
        return new Reference.Sums() {
            private float[] selected = {};

            @Override
            public void prepare(int[] batch) {
                selected = select(batch);
            }

            @Override
            public void copyTo(long address, int first, int count) {
                host.uploadFloats(address, Arrays.copyOfRange(selected, first, first + count));
            }
        };
    }
}
