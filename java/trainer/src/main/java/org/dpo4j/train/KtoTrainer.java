package org.dpo4j.train;

import java.util.List;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.UnpairedCompletion;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunListener;

/**
 * Kahneman-Tversky Optimization (Ethayarajh et al. 2024): trains the model of a directory on completions that were each
 * judged good or bad, and writes the trained model to another directory.
 */
public final class KtoTrainer {
    private KtoTrainer() {}

    /**
     * Trains and writes the model, its tokenizer and {@code metrics.jsonl} to {@code output_dir}. Pairs are read as two
     * rows each. The reference is the loaded model: its log-probs are computed before the first step, also those of the
     * completions under the prompts of other rows. A run that ends early saves its weights, as {@link DpoTrainer#train}
     * does.
     *
     * @return the lines of {@code metrics.jsonl}, in order
     */
    public static List<Metrics> train(KtoOptions options, RunListener listener) {
        TrainOptions train = options.train();
        return TrainRun.run(
                train,
                new RunReports("kto", options.named()),
                (model, read, reports, facts) -> {
                    RunRows<UnpairedCompletion> rows =
                            RunRows.read(train, read, "rows", Dataset::unpaired, reports, facts);
                    return new UnpairedObjective(model, rows.training(), rows.evaluation(), options);
                },
                listener);
    }
}
