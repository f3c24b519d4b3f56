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

    /** What to do with a row that cannot be used. */
    @Option(
            names = "--on_bad_row",
            description =
                    "What to do with a row that cannot be used: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}.")
    OnBadRow onBadRow = OnBadRow.STOP;

    /** Maximum tokens of prompt and completion together; null for the command's default. */
    @Option(
            names = "--max_length",
            description = "Maximum number of tokens of prompt and completion together; default the model's number of"
                    + " positions, in training at most 1024. null in a config file means this default, in TRL it"
                    + " means no limit.")
    @Nullable
    Integer maxLength;

    /** How a longer row is cut; null: a longer row cannot be used. */
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

    /** The file. Throws if none is given. */
    public Path file() {
        return required("dataset_name", datasetName);
    }

    /** The value of {@code max_length}; null if it is not given. */
    public @Nullable Integer maxLength() {
        return maxLength;
    }

    /** How rows become token ids. {@code maxLength} is the maximum number of tokens of a row. */
    public ReadOptions readOptions(@Nullable Tokenizer tokenizer, int vocabularySize, int maxLength) {
        return new ReadOptions(tokenizer, vocabularySize, maxLength, truncation(), onBadRow);
    }

    private @Nullable TruncationMode truncation() {
        return truncationMode == null ? null : TruncationMode.of(truncationMode);
    }

    /** Throws, naming the option, if a value is not allowed. */
    public void checkValues() {
        check();
        truncation();
    }
}
