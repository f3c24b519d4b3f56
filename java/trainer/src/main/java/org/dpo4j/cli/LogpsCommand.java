package org.dpo4j.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.OnBadRow;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.TruncationMode;
import org.dpo4j.io.InputFile;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.Model;
import org.dpo4j.train.OptionRange;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

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
    @Mixin
    private final ModelOptions modelOptions = new ModelOptions();

    @Option(
            names = "--dataset_name",
            required = true,
            description =
                    "Pairs, or rows of text or of ids: a .jsonl, .json or .jsonl.gz file, a pipe, or - for standard input.")
    private Path datasetName;

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
            names = "--max_length",
            description =
                    "Maximum number of tokens of prompt and completion together; default the model's number of positions.")
    private @Nullable Integer maxLength;

    @Option(
            names = "--truncation_mode",
            description =
                    "keep_start cuts a row longer than max_length at its end; by default such a row cannot be used.")
    private @Nullable String truncationMode;

    @Option(
            names = "--batch_tokens",
            description = "Tokens that run together, a row at least; default ${DEFAULT-VALUE}.")
    private int batchTokens = 4096;

    @Option(
            names = "--on_bad_row",
            description =
                    "What happens at a row that cannot be used: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}.")
    private OnBadRow onBadRow = OnBadRow.STOP;

    @Override
    public Integer call() {
        OptionRange.BATCH_TOKENS.check(batchTokens);
        if (maxLength != null) {
            OptionRange.MAX_LENGTH.check(maxLength);
        }
        Output.check(output);
        TruncationMode truncation = truncationMode == null ? null : TruncationMode.of(truncationMode);
        try (Device device = modelOptions.open();
                Model model = modelOptions.load(device)) {
            int vocabulary = model.architecture().vocabSize();
            try (Tokenizer tokenizer = Tokenizer.find(modelOptions.directory, vocabulary)) {
                int longest = model.architecture().maxLength(maxLength, Integer.MAX_VALUE);
                ReadOptions read = new ReadOptions(tokenizer, vocabulary, longest, truncation, onBadRow);
                Dataset.read(
                        datasetName,
                        read,
                        pairs -> write(model, pairs, LogProbLines.PAIRS),
                        sequences -> write(model, sequences, LogProbLines.SEQUENCES));
            }
        }
        return 0;
    }

    private <T> void write(Model model, Dataset<T> data, LogProbLines<T> lines) {
        String source = InputFile.name(datasetName);
        data.report()
                .facts("rows", "")
                .forEach((name, fact) -> System.err.println(
                        "dpo4j: " + source + ": " + (name.equals("rows") ? "" : name + ": ") + fact));
        LogProbLines.Columns columns = new LogProbLines.Columns(perToken, ids);
        Output.write(output, out -> lines.write(source, data.rows(), model, batchTokens, columns, out));
    }
}
