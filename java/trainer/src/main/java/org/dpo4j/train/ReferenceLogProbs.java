package org.dpo4j.train;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.WeightCheck;
import org.dpo4j.report.RunListener;

/**
 * Log-probs of both completions of every pair under a model as it stands now: 8 bytes a pair. A policy that has not
 * moved yet gives the very same bits later, because it takes the same path and a completion's log-prob does not depend
 * on the batch around it.
 *
 * @param sums f32: chosen, rejected of pair 0, of pair 1, ...
 */
public record ReferenceLogProbs(float[] sums) {

    private static final String PHASE = "reference log-probs";

    /** Of no pairs. */
    static final ReferenceLogProbs NONE = new ReferenceLogProbs(new float[0]);

    /**
     * Runs the model over the pairs, {@code batch} at a time. Throws, naming the row, where a log-prob is not finite.
     */
    public static ReferenceLogProbs compute(
            ScoringModel model, List<PreferencePair> pairs, int batch, RunListener listener) {
        return compute(model, pairs, IntStream.range(0, pairs.size()).toArray(), batch, true, listener);
    }

    /**
     * The same of the pairs numbered {@code read} alone, with each prompt once, or once for each completion. The others
     * have NaN.
     */
    static ReferenceLogProbs compute(
            ScoringModel model,
            List<PreferencePair> pairs,
            int[] read,
            int batch,
            boolean sharePrefix,
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
                    model.forward(PackedBatch.pairs(together, sharePrefix)).sums(), 2 * rows.length);
            for (int i = 0; i < downloaded.length; i++) {
                sums[2 * rows[i / 2] + i % 2] = downloaded[i];
            }
            done += rows.length;
            listener.progress(PHASE, done, read.length);
        }
        for (int row : read) {
            check(model, sums[2 * row], pairs.get(row).row(), "chosen");
            check(model, sums[2 * row + 1], pairs.get(row).row(), "rejected");
        }
        return new ReferenceLogProbs(sums);
    }

    /** The sums of these pairs, laid out as {@link PackedBatch} lays out their completions. */
    float[] of(int[] rows) {
        float[] selected = new float[2 * rows.length];
        for (int i = 0; i < rows.length; i++) {
            selected[2 * i] = sums[2 * rows[i]];
            selected[2 * i + 1] = sums[2 * rows[i] + 1];
        }
        return selected;
    }

    private static void check(ScoringModel model, float sum, int row, String side) {
        if (!Float.isFinite(sum)) {
            throw new Dpo4jException("row " + row + ": the reference log-prob of the " + side + " completion is " + sum
                    + "; " + WeightCheck.explain(model.model().parameters()));
        }
    }
}
