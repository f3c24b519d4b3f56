package org.dpo4j.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.io.InputFile;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.Model;
import org.dpo4j.train.DataOptions;
import org.dpo4j.train.DeviceOptions;
import org.dpo4j.train.ModelOptions;
import org.dpo4j.train.OptionRange;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code dpo4j logps}: log-probs of completions, one JSON line a row. */
@Command(
        name = "logps",
        description = "Print log-probs of completions, one JSON line a row.",
        footer = {
            "",
            "A pair is {\"row\", \"chosen_logps\", \"rejected_logps\", \"chosen_tokens\", \"rejected_tokens\"};"
                    + " any other row {\"row\", \"logps\", \"tokens\"}.",
            "--ids adds {\"prompt_ids\", \"chosen_ids\", \"rejected_ids\"} or {\"prompt_ids\", \"completion_ids\"}:"
                    + " the answer starts where prompt_ids ends, and a text without prompt behind its first token."
                    + " Rows of these ids have the same log-probs.",
            "row counts from 1: the line, or the element of a JSON array.",
            "What became of the rows goes to standard error."
        },
        sortOptions = false)
final class LogpsCommand implements Callable<Integer> {
    @Spec
    private CommandSpec command;

    @Mixin
    private final ModelOptions modelOptions = new ModelOptions();

    @Mixin
    private final DeviceOptions deviceOptions = new DeviceOptions();

    @Mixin
    private final DataOptions data = new DataOptions();

    @Option(
            names = "--output",
            description = "File to write, whole or not at all; a pipe; or - for standard output, the default.")
    private @Nullable Path output;

    @Option(
            names = "--per_token",
            arity = "0..1",
            fallbackValue = "true",
            description = "Add the log-prob of every token: chosen_token_logps, rejected_token_logps or token_logps.")
    private boolean perToken = false;

    @Option(
            names = "--ids",
            arity = "0..1",
            fallbackValue = "true",
            description = "Add the token ids of prompt and completions, as they are trained on.")
    private boolean ids = false;

    @Option(
            names = "--batch_tokens",
            description = "Tokens that run together, a row at least; default ${DEFAULT-VALUE}.")
    private int batchTokens = 4096;

    @Override
    public Integer call() {
        Output.require(command, "model_name_or_path", modelOptions.hasDirectory());
        Output.require(command, "dataset_name", data.hasFile());
        OptionRange.BATCH_TOKENS.check(batchTokens);
        data.checkValues();
        Output.check(output);
        try (Device device = deviceOptions.open(Output::notice);
                Model model = Model.load(modelOptions.directory(), device, modelOptions.storage(device))) {
            int vocabulary = model.architecture().vocabSize();
            try (Tokenizer tokenizer = Tokenizer.find(modelOptions.directory(), vocabulary)) {
                int longest = model.architecture().maxLength(data.maxLength(), Integer.MAX_VALUE);
                ReadOptions read = data.readOptions(tokenizer, vocabulary, longest);
                Dataset.read(
                        data.file(),
                        read,
                        pairs -> write(model, pairs, LogProbLines.PAIRS),
                        sequences -> write(model, sequences, LogProbLines.SEQUENCES));
            }
        }
        return 0;
    }

    private <T> void write(Model model, Dataset<T> read, LogProbLines<T> lines) {
        String source = InputFile.name(data.file());
        read.report()
                .facts("rows", "")
                .forEach((name, fact) -> System.err.println(
                        "dpo4j: " + source + ": " + (name.equals("rows") ? "" : name + ": ") + fact));
        LogProbLines.Columns columns = new LogProbLines.Columns(perToken, ids);
        Output.write(output, out -> lines.write(source, read.rows(), model, batchTokens, columns, out));
    }
}
