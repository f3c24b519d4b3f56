package org.dpo4j.train;

import java.util.List;
import java.util.Map;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.Sequence;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunListener;

/**
 * Supervised fine-tuning: trains the model of a directory on texts, or on prompts with completions, and writes the
 * trained model to another directory.
 */
public final class SftTrainer {
    private SftTrainer() {}

    /**
     * Trains and writes the model, its tokenizer and {@code metrics.jsonl} to {@code output_dir}. The loss is the mean
     * cross entropy over target tokens: those of the completion, or all but the first of a text without prompt. A run
     * that ends early saves its weights, as {@link DpoTrainer#train} does.
     *
     * @return the lines of {@code metrics.jsonl}, in order
     */
    public static List<Metrics> train(SftOptions options, RunListener listener) {
        TrainOptions train = options.train();
        return TrainRun.run(
                train,
                new RunReports("sft", Map.of()),
                (model, given, reports, facts) -> {
                    ReadOptions read = options.assistantOnlyLoss() ? given.assistantOnly() : given;
                    List<String> dropouts = model.config().ignoredDropouts();
                    if (!dropouts.isEmpty()) {
                        facts.put("dropout", String.join(", ", dropouts) + " in config.json is not applied");
                    }
                    RunRows<Sequence> rows = RunRows.read(train, read, "rows", Dataset::sequences, reports, facts);
                    return new SequenceObjective(model, rows.training(), rows.evaluation(), train);
                },
                listener);
    }
}
