package org.dpo4j.train;

import java.util.Arrays;
import java.util.List;
import java.util.function.IntSupplier;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PairLayout;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.store.IndexedRows;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.WeightCheck;
import org.dpo4j.report.RunListener;

/**
 * Log-probs of both completions of every pair under a model's current weights: 8 bytes per pair. Training computes the
 * same bits while the weights are unchanged, because it takes the same code path and a completion's log-prob does not
 * depend on the rest of the batch.
 *
 * @param sums chosen and rejected of pair 0, then of pair 1, ...; of unpaired rows, the completion of row 0, the one of
 *     another row under its prompt, then those of row 1, ...
 */
public record ReferenceLogProbs(float[] sums) {

    static final String PHASE = "reference log-probs";

    /** Log-probs of no pairs. */
    static final ReferenceLogProbs NONE = new ReferenceLogProbs(new float[0]);

    /**
     * Computes the log-probs of all pairs, {@code batch} at a time. Throws, naming the row, if one is not finite.
     */
    public static ReferenceLogProbs compute(
            ScoringModel model, List<PreferencePair> pairs, int batch, RunListener listener) {
        PairLayout layout = new PairLayout(true, model.model().architecture().shortLength());
        return compute(model, pairs, IntStream.range(0, pairs.size()).toArray(), batch, layout, listener);
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
            throw new Dpo4jException(IndexedRows.place(pairs, pairs.get(without).row())
                    + " has no ref_chosen_logps, but " + count + " of "
                    + read.length
                    + " rows have it; give it in all rows, or drop ref_chosen_logps and ref_rejected_logps"
                    + " with column_map");
        }
        return count > 0;
    }

    /** The log-probs that rows state; those of other pairs than {@code read} are NaN. */
    static ReferenceLogProbs given(List<PreferencePair> pairs, int[] read) {
        float[] sums = new float[2 * pairs.size()];
        Arrays.fill(sums, Float.NaN);
        for (int row : read) {
            PreferencePair.Outline pair = PreferencePair.outline(pairs, row);
            sums[2 * row] = pair.referenceChosen();
            sums[2 * row + 1] = pair.referenceRejected();
        }
        return new ReferenceLogProbs(sums);
    }

    /** Computes the log-probs of the pairs with the indices {@code read}; the others are NaN. */
    static ReferenceLogProbs compute(
            ScoringModel model,
            List<PreferencePair> pairs,
            int[] read,
            int batch,
            PairLayout layout,
            RunListener listener) {
        if (read.length == 0) {
            return NONE;
        }
        float[] sums = new float[2 * pairs.size()];
        Arrays.fill(sums, Float.NaN);
        HostBuffer host = new HostBuffer(model.model().device(), 2 * Float.BYTES * Math.min(batch, read.length));
        listener.progress(PHASE, 0, read.length);
        int done = 0;
        for (int[] rows : (Iterable<int[]>) Passes.inOrder(read, batch)::iterator) {
            Cancellation.check(listener);
            List<PreferencePair> together =
                    IntStream.of(rows).mapToObj(pairs::get).toList();
            float[] downloaded = host.downloadFloats(
                    model.forward(PackedBatch.pairs(together, layout)).sums(), 2 * rows.length);
            for (int i = 0; i < downloaded.length; i++) {
                sums[2 * rows[i / 2] + i % 2] = downloaded[i];
            }
            done += rows.length;
            listener.progress(PHASE, done, read.length);
        }
        for (int row : read) {
            check(model, sums[2 * row], () -> pairs.get(row).row(), "chosen completion");
            check(model, sums[2 * row + 1], () -> pairs.get(row).row(), "rejected completion");
        }
        return new ReferenceLogProbs(sums);
    }

    /** The sums of these pairs, in the order in which {@link PackedBatch} places their completions. */
    float[] select(int[] rows) {
        float[] selected = new float[2 * rows.length];
        for (int i = 0; i < rows.length; i++) {
            selected[2 * i] = sums[2 * rows[i]];
            selected[2 * i + 1] = sums[2 * rows[i] + 1];
        }
        return selected;
    }

    /** Throws, naming the row and what was scored, if a sum is not finite. */
    static void check(ScoringModel model, float sum, IntSupplier row, String what) {
        if (!Float.isFinite(sum)) {
            throw new Dpo4jException("row " + row.getAsInt() + ": the reference log-prob of the " + what + " is " + sum
                    + "; " + WeightCheck.explain(model.model().parameters()));
        }
    }
}
