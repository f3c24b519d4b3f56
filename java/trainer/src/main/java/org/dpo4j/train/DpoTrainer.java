package org.dpo4j.train;

import java.util.List;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunListener;

/**
 * Direct Preference Optimization (Rafailov et al. 2023): trains the model of a directory on preference pairs and writes
 * the trained model to another directory.
 */
public final class DpoTrainer {
    private DpoTrainer() {}

    /**
     * Trains and writes the model, its tokenizer and {@code metrics.jsonl} to {@code output_dir}. The reference is the
     * loaded model: its log-probs of the pairs that the run reads are computed before the first step, so no copy of its
     * weights is kept.
     *
     * <p>A run ends early if more than {@code max_nonfinite_steps} gradients are not finite, an error occurs, {@link RunListener#isCancelled} returns true,
     * or the thread is interrupted. Even then it saves the weights of its last step, and {@link RunListener#notice}
     * receives the number of that step, or the reason why they cannot be saved. A cancelled or interrupted run throws
     * {@link java.util.concurrent.CancellationException}.
     *
     * @return the lines of {@code metrics.jsonl}, in order
     */
    public static List<Metrics> train(DpoOptions options, RunListener listener) {
        TrainOptions train = options.train();
        return TrainRun.run(
                train,
                new RunReports("dpo", options.named()),
                (model, read, reports, facts) -> {
                    RunRows<PreferencePair> rows = RunRows.read(train, read, "pairs", Dataset::pairs, reports, facts);
                    return new PreferenceObjective(model, rows.training(), rows.evaluation(), options);
                },
                listener);
    }
}
