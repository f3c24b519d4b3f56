package org.dpo4j.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.dpo4j.data.DatasetCache;
import org.dpo4j.data.OnBadRow;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.RejectedRows;
import org.dpo4j.data.RepeatOptions;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.Truncation;
import org.dpo4j.data.TruncationMode;
import org.dpo4j.data.row.ChatTemplates;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.row.OnPromptMismatch;
import org.dpo4j.data.row.RowOptions;
import org.dpo4j.data.source.DatasetRequest;
import org.dpo4j.data.source.DatasetRequest.Use;
import org.dpo4j.data.source.Mixture;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.source.RowSources;
import org.dpo4j.io.InputFile;
import org.dpo4j.io.hub.Hub;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Which rows a command reads, and how. */
public final class DataOptions extends OptionGroup implements Downloadable {

    /** Where the rows are. */
    @Option(
            names = "--dataset_name",
            description =
                    "Required, unless datasets is given. Rows: a .jsonl, .json, .jsonl.gz or .parquet file, a directory of such files, a pattern of"
                            + " file names in quotes, a pipe, - for standard input, or the name of a data set in the local"
                            + " Hugging Face cache.")
    @Nullable
    Path datasetName;

    /** Data sets that are mixed; null: {@code dataset_name}. */
    @Option(
            names = "--datasets",
            description =
                    "Several data sets instead of dataset_name: in a config file a list of mappings with TRL's keys"
                            + " path, name, data_dir, data_files, split, columns and fraction, or with weight and column_map. By"
                            + " default all rows of one data set follow those of the other. With weight, rows are interleaved"
                            + " at random in this ratio, by the seed, until one data set has no more rows.")
    @Nullable
    DatasetList datasets;

    /** Configuration of the data set; null for its default one. */
    @Option(
            names = "--dataset_config",
            description = "One of the configurations that the README of the data set lists; default its default one.")
    @Nullable
    String datasetConfig;

    /** The split to train on; null for {@code train}. */
    @Option(
            names = "--dataset_train_split",
            description = "Which split of dataset_name is read, if its files are of several splits; default train.")
    @Nullable
    String datasetTrainSplit;

    /** The split to evaluate on; null for {@code test}. */
    @Option(
            names = "--dataset_test_split",
            description = "Which split a run with evaluation reads, of eval_dataset, or without it of dataset_name;"
                    + " default test.")
    @Nullable
    String datasetTestSplit;

    /** Names of columns: what formats call them, and what the file calls them. */
    @Option(
            names = "--column_map",
            description = "Columns to rename and to drop: prompt=question,chosen=answer reads prompt from the column"
                    + " question and chosen from answer, and output=null drops output. In a config file it is a mapping,"
                    + " {prompt: question, output: null}.")
    OptionMap columnMap = OptionMap.EMPTY;

    /** What to do if the chat template renders a prompt otherwise when an answer follows. */
    @Option(
            names = "--on_prompt_mismatch",
            description = "What to do if the chat template renders a prompt in another way when an answer follows:"
                    + " ${COMPLETION-CANDIDATES}. With error the row cannot be used; cut ends the prompt before the first"
                    + " token that differs, as TRL does. Default ${DEFAULT-VALUE}.")
    OnPromptMismatch onPromptMismatch = OnPromptMismatch.STOP;

    /** What to do with a row that cannot be used. */
    @Option(
            names = "--on_bad_row",
            description =
                    "What to do with a row that cannot be used: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}. skip"
                            + " leaves it out; in training it also writes the rows that are left out to"
                            + " rejected_rows.jsonl in output_dir, up to 64 MiB.")
    OnBadRow onBadRow = OnBadRow.STOP;

    /** Maximum tokens of prompt and completion together; null for the command's default. */
    @Option(
            names = "--max_length",
            description = "Maximum number of tokens of prompt and completion together; default the model's number of"
                    + " positions, in training at most 1024. null in a config file means this default, in TRL it"
                    + " means no limit.")
    @Nullable
    Integer maxLength;

    /** Maximum tokens of a prompt; null for no limit. */
    @Option(
            names = "--max_prompt_length",
            description = "Maximum number of tokens of a prompt; its last tokens are kept. Default: no limit.")
    @Nullable
    Integer maxPromptLength;

    /** Maximum tokens of a completion; null for no limit. */
    @Option(
            names = "--max_completion_length",
            description = "Maximum number of tokens of a completion; its first tokens are kept. Default: no limit.")
    @Nullable
    Integer maxCompletionLength;

    /** What to do with a longer row; null for the command's default. */
    @Option(
            names = "--truncation_mode",
            description = "What to do with a row that is too long: ${COMPLETION-CANDIDATES}. keep_start cuts the end of"
                    + " the completion, keep_end the start of the prompt, proportional the ends of both, as"
                    + " LLaMA-Factory does; drop leaves the row out; with raise it cannot be used. Default keep_start,"
                    + " for logps raise.")
    @Nullable
    TruncationMode truncationMode;

    /** Whether a cut completion ends with EOS. */
    @Option(
            names = "--keep_eos",
            arity = "0..1",
            fallbackValue = "true",
            description = "Replace the last token of a completion that is cut by EOS, if it ended with EOS; default"
                    + " ${DEFAULT-VALUE}, as in TRL.")
    boolean keepEos = false;

    /** Directory of stores of converted rows; null for {@link DatasetCache#defaultDirectory}. */
    @Option(
            names = "--dataset_cache_dir",
            description = "Directory in which converted rows are kept for later runs; default dpo4j/datasets in"
                    + " $$XDG_CACHE_HOME or ~/.cache. Its files may be deleted at any time; those unused for 30 days are"
                    + " deleted when another is written.")
    @Nullable
    Path datasetCacheDir;

    /** Whether converted rows are kept for later runs; null: if the file is large. */
    @Option(
            names = "--dataset_cache",
            arity = "0..1",
            fallbackValue = "true",
            description =
                    "Keep converted rows for later runs, and use those of an earlier run; default true for a file of"
                            + " at least 8 MB.")
    @Nullable
    Boolean datasetCache;

    /** Whether a row with the tokens of an earlier one is left out. */
    @Option(
            names = "--drop_duplicates",
            arity = "0..1",
            fallbackValue = "true",
            description =
                    "Leave out a row with the same tokens as an earlier one; default ${DEFAULT-VALUE}. Such rows are"
                            + " counted either way.")
    boolean dropDuplicates = false;

    /** Whether rows that contradict each other are left out. */
    @Option(
            names = "--drop_contradictions",
            arity = "0..1",
            fallbackValue = "true",
            description =
                    "Leave out rows that contradict each other: two pairs with chosen and rejected exchanged; also"
                            + " pairs whose chosen is rejected. Default ${DEFAULT-VALUE}. Such rows are counted either way.")
    boolean dropContradictions = false;

    /** Whether rows are given. */
    public boolean hasRows() {
        return datasetName != null || datasets != null;
    }

    /** Throws if no rows are given, or in two ways. */
    void checkGiven() {
        if (datasets == null) {
            required("dataset_name", datasetName);
        } else if (datasetName != null) {
            throw new Dpo4jException("dataset_name and datasets are both given; leave one out");
        }
    }

    /** The rows. Throws if none are given, or they cannot be found. {@code seed}: that of a mixture. */
    public RowSource rows(long seed) {
        return rows(seed, Use.TRAIN);
    }

    RowSource rows(long seed, Use use) {
        checkGiven();
        if (datasets != null) {
            return datasets.source(seed);
        }
        return RowSources.find(request(required("dataset_name", datasetName), datasetTrainSplit, use));
    }

    /** The rows of a set to evaluate on: those of its paths, one after the other. */
    RowSource evalRows(List<Path> paths) {
        List<RowSource> sources =
                paths.stream().map(path -> RowSources.find(evalRequest(path))).toList();
        return sources.size() == 1 ? sources.get(0) : new Mixture(sources, Mixture.Order.CONCATENATED, List.of(), 0);
    }

    @Override
    public void download(Hub hub) {
        if (datasets != null) {
            datasets.download(hub);
        } else if (datasetName != null) {
            RowSources.download(request(datasetName, datasetTrainSplit, Use.TRAIN), hub);
        }
    }

    /** Downloads the rows to evaluate on. */
    void downloadEvaluation(EvaluationOptions evaluation, Hub hub) {
        if (evaluation.evalDataset != null) {
            evaluation.evalDataset.sets().values().stream()
                    .flatMap(List::stream)
                    .forEach(path -> RowSources.download(evalRequest(path), hub));
        } else if (evaluation.hasRows()) {
            RowSources.download(evalSplitRequest(), hub);
        }
    }

    private DatasetRequest evalRequest(Path path) {
        return new DatasetRequest(path.toString(), null, datasetTestSplit, null, List.of(), Use.EVAL);
    }

    private DatasetRequest evalSplitRequest() {
        String split = datasetTestSplit == null ? "test" : datasetTestSplit;
        return request(required("dataset_name", datasetName), split, Use.EVAL);
    }

    /** The rows to evaluate on if none are named: another split of {@code dataset_name}. */
    RowSource evalSplit() {
        return RowSources.find(evalSplitRequest());
    }

    private DatasetRequest request(Path path, @Nullable String split, Use use) {
        return new DatasetRequest(path.toString(), datasetConfig, split, null, List.of(), use);
    }

    /** Whether {@code dataset_name} may have a split to evaluate on: it is no file or pipe. */
    boolean mayHaveTestSplit() {
        return datasetName != null
                && (Files.isDirectory(datasetName) || !Files.exists(datasetName) && datasetName.getNameCount() > 1);
    }

    /** Whether {@code dataset_name} can be read only once. */
    boolean isReadOnce() {
        return datasetName != null && InputFile.isReadOnce(datasetName);
    }

    /** Whether {@code dataset_name} is this file. */
    public boolean isDataset(Path file) {
        return datasetName != null && InputFile.isSame(datasetName, file);
    }

    /** Whether the rows to train on are those of this file. */
    boolean isFile(Path file) {
        return (datasetTestSplit == null || datasetTestSplit.equals("test")) && isDataset(file);
    }

    /** The value of {@code max_length}; null if it is not given. */
    public @Nullable Integer maxLength() {
        return maxLength;
    }

    /** Where converted rows are stored. */
    public DatasetCache cache() {
        return new DatasetCache(
                datasetCacheDir == null ? DatasetCache.defaultDirectory() : datasetCacheDir, datasetCache);
    }

    /**
     * How rows become token ids.
     *
     * @param modelDirectory where the chat template is; null if messages are not rendered
     * @param maxLength maximum number of tokens of a row
     * @param mode what to do with a longer row if no option says so
     * @param rejected receives the rows that are left out; null: nothing does
     */
    public ReadOptions readOptions(
            @Nullable Path modelDirectory,
            @Nullable Tokenizer tokenizer,
            int vocabularySize,
            int maxLength,
            TruncationMode mode,
            @Nullable RejectedRows rejected) {
        TruncationMode used = truncationMode == null ? mode : truncationMode;
        checkKeepEos(used);
        Integer eos = keepEos ? eos(tokenizer) : null;
        Truncation truncation = new Truncation(used, maxLength, maxPromptLength, maxCompletionLength, eos);
        RepeatOptions repeats = new RepeatOptions(dropDuplicates, dropContradictions);
        ChatTemplates templates = modelDirectory == null ? ChatTemplates.NONE : ChatTemplates.in(modelDirectory);
        RowOptions rows = new RowOptions(new ColumnMap(columnMap.values()), templates, onPromptMismatch, false);
        return new ReadOptions(tokenizer, vocabularySize, truncation, repeats, onBadRow, rows, rejected);
    }

    private static int eos(@Nullable Tokenizer tokenizer) {
        Integer eos = tokenizer == null ? null : tokenizer.eosTokenId();
        if (eos == null) {
            throw new Dpo4jException(
                    "keep_eos is true but the model has no eos_token: name it in tokenizer_config.json");
        }
        return eos;
    }

    /** Throws, naming the option, if a value is not allowed. */
    public void checkValues() {
        check();
        new ColumnMap(columnMap.values());
        if (truncationMode != null) {
            checkKeepEos(truncationMode);
        }
    }

    private void checkKeepEos(TruncationMode mode) {
        if (keepEos && !mode.isCut()) {
            throw new Dpo4jException(
                    "keep_eos is true but truncation_mode is " + mode + ", which cuts no row; leave keep_eos out");
        }
    }
}
