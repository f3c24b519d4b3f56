package org.dpo4j.train;

import java.nio.file.Path;
import java.util.List;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.io.InputFile;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunListener;

/**
 * Direct Preference Optimization (Rafailov et al. 2023): a model directory and preference pairs in, a better model
 * directory out.
 */
public final class DpoTrainer {
    private DpoTrainer() {}

    /**
     * Runs to the end and writes the model, its tokenizer and {@code metrics.jsonl} into {@code output_dir}. The
     * reference is the model as it was loaded: its log-probs of the pairs that the run reads are computed before the
     * first step, and no copy of it is kept.
     *
     * <p>A run that ends early saves the weights of its last step all the same, and tells {@link RunListener#notice}
     * which step that is, or why they cannot be saved. It ends early when a gradient is not finite, when something
     * fails, when {@link RunListener#isCancelled} says so, or when this thread is interrupted; in the last two cases it
     * throws {@link java.util.concurrent.CancellationException}.
     *
     * @return the lines of {@code metrics.jsonl}, in order
     */
    public static List<Metrics> train(DpoOptions options, RunListener listener) {
        TrainOptions train = options.train();
        return TrainRun.run(
                train,
                (model, read, facts) -> {
                    Dataset<PreferencePair> pairs = Dataset.pairs(train.data().file(), read);
                    facts.putAll(pairs.report().facts("pairs", ""));
                    List<PreferencePair> evalPairs = List.of();
                    Path evalDataset = train.logging().evalDataset;
                    if (evalDataset != null) {
                        // a file that is both is read once: it may be a pipe
                        Dataset<PreferencePair> eval =
                                InputFile.isSame(train.data().file(), evalDataset)
                                        ? pairs
                                        : Dataset.pairs(evalDataset, read);
                        facts.putAll(eval.report().facts("eval pairs", "eval "));
                        evalPairs = eval.rows();
                    }
                    return new PreferenceObjective(model, pairs.rows(), evalPairs, options);
                },
                listener);
    }
}
