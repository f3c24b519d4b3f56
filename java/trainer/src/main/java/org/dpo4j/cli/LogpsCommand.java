package org.dpo4j.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.TruncationMode;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.Model;
import org.dpo4j.report.Console;
import org.dpo4j.train.DataOptions;
import org.dpo4j.train.DeviceOptions;
import org.dpo4j.train.HubOptions;
import org.dpo4j.train.LoadingReport;
import org.dpo4j.train.ModelOptions;
import org.dpo4j.train.ReadingReport;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code dpo4j logps}: prints log-probs of completions, one JSON line per row. */
@Command(
        name = "logps",
        description = "Print log-probs of completions, one JSON line per row.",
        footer = {
            "",
            "The line of a pair has {\"row\", \"chosen_logps\", \"rejected_logps\", \"chosen_tokens\","
                    + " \"rejected_tokens\"}, that of any other row {\"row\", \"logps\", \"tokens\"}.",
            "--ids adds {\"prompt_ids\", \"chosen_ids\", \"rejected_ids\"} or {\"prompt_ids\", \"completion_ids\"}."
                    + " For a row without a prompt, prompt_ids is the first token. Rows made of these ids have the"
                    + " same log-probs. A pair that keep_end has cut may have another prompt before its rejected"
                    + " completion; then it also has \"rejected_prompt_ids\".",
            "row is the line in the file, or the element of a JSON array, counted from 1.",
            "The numbers of rows used, cut and skipped go to standard error."
        },
        sortOptions = false)
final class LogpsCommand implements Callable<Integer> {
    /** TRL's default seed. */
    private static final long MIXTURE_SEED = 42;

    @Spec
    private CommandSpec command;

    @Mixin
    private final ModelOptions modelOptions = new ModelOptions();

    @Mixin
    private final HubOptions hub = new HubOptions();

    @Mixin
    private final DeviceOptions deviceOptions = new DeviceOptions();

    @Mixin
    private final DataOptions data = new DataOptions();

    @Mixin
    private final ScoringOptions scoring = new ScoringOptions();

    @Option(
            names = "--ids",
            arity = "0..1",
            fallbackValue = "true",
            description = "Add the token ids of prompt and completions, as training uses them.")
    private boolean ids = false;

    @Override
    public Integer call() {
        Output.require(command, "model_name_or_path", modelOptions.hasDirectory());
        Output.require(command, "dataset_name", data.hasRows());
        data.checkValues();
        scoring.check();
        hub.fetch(modelOptions, data);
        try (Console console = Console.errors();
                Device device = deviceOptions.open(Output::notice);
                Model model = Model.load(
                        modelOptions.directory(), device, modelOptions.storage(device), new LoadingReport(console))) {
            int vocabulary = model.architecture().vocabSize();
            try (Tokenizer tokenizer = Tokenizer.find(modelOptions.tokenizerDirectory(), vocabulary)) {
                int maxLength = model.architecture().maxLength(data.maxLength(), Integer.MAX_VALUE);
                ReadOptions read = data.readOptions(
                        modelOptions.tokenizerDirectory(),
                        tokenizer,
                        vocabulary,
                        maxLength,
                        TruncationMode.RAISE,
                        null);
                RowSource rows = data.rows(MIXTURE_SEED);
                rows.notes().forEach(Output::notice);
                Map<String, String> facts = new LinkedHashMap<>();
                Dataset.read(
                        rows,
                        read,
                        data.cache(),
                        new ReadingReport("rows", console, facts),
                        pairs -> write(rows.name(), model, pairs, facts, LogProbLines.PAIRS),
                        sequences -> write(rows.name(), model, sequences, facts, LogProbLines.SEQUENCES));
            }
        }
        return 0;
    }

    private <T> void write(
            String source, Model model, Dataset<T> read, Map<String, String> stored, LogProbLines<T> lines) {
        Output.describe(source, read.report().facts("rows", ""), stored);
        scoring.write(
                out -> lines.kind().score(read.rows(), model, scoring.pass(), scored -> lines.write(scored, ids, out)));
    }
}
