package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.data.OnBadRow;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.TruncationMode;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which rows a command reads, and how. */
public final class DataOptions extends OptionGroup {

    /** File of rows. */
    @Option(
            names = "--dataset_name",
            description = "Rows: a .jsonl, .json or .jsonl.gz file, a pipe, or - for standard input.")
    @Nullable
    Path datasetName;

    /** What a row that cannot be used does. */
    @Option(
            names = "--on_bad_row",
            description =
                    "What happens at a row that cannot be used: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}.")
    OnBadRow onBadRow = OnBadRow.STOP;

    /** Max tokens of a sequence, prompt and completion together; null: the default of the command. */
    @Option(
            names = "--max_length",
            description = "Maximum number of tokens of prompt and completion together; default the model's number of"
                    + " positions, in training at most 1024. null in a config file is this default; in TRL it is"
                    + " no limit.")
    @Nullable
    Integer maxLength;

    /** How a longer row is cut; null: it is a row that cannot be used. */
    @Option(
            names = "--truncation_mode",
            description =
                    "keep_start cuts a row longer than max_length at its end; by default such a row cannot be used.")
    @Nullable
    String truncationMode;

    /** Whether a file is given. */
    public boolean hasFile() {
        return datasetName != null;
    }

    /** The file; throws where none is given. */
    public Path file() {
        return required("dataset_name", datasetName);
    }

    /** Max tokens that were asked for; null where none were. */
    public @Nullable Integer maxLength() {
        return maxLength;
    }

    /** How rows become token ids of a model that reads at most {@code longest} tokens. */
    public ReadOptions readOptions(@Nullable Tokenizer tokenizer, int vocabularySize, int longest) {
        return new ReadOptions(tokenizer, vocabularySize, longest, truncation(), onBadRow);
    }

    private @Nullable TruncationMode truncation() {
        return truncationMode == null ? null : TruncationMode.of(truncationMode);
    }

    /** Throws, naming the option, where a value is not one of it. */
    public void checkValues() {
        check();
        truncation();
    }
}
