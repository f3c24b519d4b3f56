package org.dpo4j.train;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.UnpairedCompletion;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/**
 * Computes the reference's log-probs of unpaired rows: of each row's own completion and, for kto, of the completion of
 * another row under its prompt. The pairing is fixed by the order of the file, so both are computed once, before the
 * first step, with the initial weights: 8 bytes per row, and no second model. (TRL computes them at every step with a
 * copy of the model, unless {@code precompute_ref_log_probs} is true.)
 */
final class UnpairedReference {
    /** Log-probs per row. */
    static final int SIDES = 2;

    private final ScoringModel model;
    private final int[] read;
    private final int batch;
    private final RunListener listener;
    private final float[] sums;
    private final int total;
    private int done;

    private UnpairedReference(
            ScoringModel model, int[] read, int batch, RunListener listener, float[] sums, int total) {
        this.model = model;
        this.read = read;
        this.batch = batch;
        this.listener = listener;
        this.sums = sums;
        this.total = total;
    }

    /**
     * The sums of row i at 2 i, and those with another row's completion at 2 i + 1. Those of rows that are not in
     * {@code read} are NaN.
     *
     * @param others the rows with other completions; null if the loss reads none
     * @param batch rows per forward pass
     */
    static ReferenceLogProbs compute(
            ScoringModel model,
            List<UnpairedCompletion> rows,
            @Nullable List<UnpairedCompletion> others,
            int[] read,
            int batch,
            RunListener listener) {
        if (read.length == 0) {
            return ReferenceLogProbs.NONE;
        }
        float[] sums = new float[SIDES * rows.size()];
        Arrays.fill(sums, Float.NaN);
        int total = Math.multiplyExact(read.length, others == null ? 1 : SIDES);
        UnpairedReference reference = new UnpairedReference(model, read, batch, listener, sums, total);
        listener.progress(ReferenceLogProbs.PHASE, 0, total);
        reference.fill(0, rows, "completion");
        if (others != null) {
            reference.fill(1, others, "completion of another row");
        }
        return new ReferenceLogProbs(sums);
    }

    private void fill(int side, List<UnpairedCompletion> rows, String what) {
        HostBuffer host = new HostBuffer(model.model().device(), Float.BYTES * Math.min(batch, read.length));
        for (int[] numbers : (Iterable<int[]>) Passes.inOrder(read, batch)::iterator) {
            Cancellation.check(listener);
            List<UnpairedCompletion> together =
                    IntStream.of(numbers).mapToObj(rows::get).toList();
            float[] downloaded = host.downloadFloats(
                    model.forward(PackedBatch.unpaired(together)).sums(), numbers.length);
            for (int i = 0; i < numbers.length; i++) {
                UnpairedCompletion row = together.get(i);
                ReferenceLogProbs.check(model, downloaded[i], row::row, what);
                sums[SIDES * numbers[i] + side] = downloaded[i];
            }
            done += numbers.length;
            listener.progress(ReferenceLogProbs.PHASE, done, total);
        }
    }
}
