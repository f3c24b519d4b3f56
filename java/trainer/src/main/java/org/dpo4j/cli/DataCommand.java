package org.dpo4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.DatasetReport;
import org.dpo4j.data.OnBadRow;
import org.dpo4j.data.ReadListener;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.TruncationMode;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.stats.DatasetStatistics;
import org.dpo4j.data.stats.ReadRow;
import org.dpo4j.data.stats.RowShape;
import org.dpo4j.data.stats.StatisticsPage;
import org.dpo4j.data.stats.StatisticsText;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.OutputFile;
import org.dpo4j.io.hub.Hub;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.NamedModel;
import org.dpo4j.model.family.Families;
import org.dpo4j.report.RunHeader;
import org.dpo4j.train.DataOptions;
import org.dpo4j.train.HubOptions;
import org.dpo4j.train.ModelDownload;
import org.dpo4j.train.OptionRange;
import org.dpo4j.train.SeedOptions;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code dpo4j data}: statistics of rows, one row as the model reads it, or the rows in another shape. */
@Command(
        name = "data",
        description = "Print statistics of rows, show one row, or write rows in another shape.",
        footer = {
            "",
            "Without --row and --output it prints statistics: rows by kind and by columns, unusable and repeated rows,"
                    + " lengths, the share of prompts, whether chosen is longer than rejected, and a histogram. With"
                    + " --model_name_or_path lengths are tokens, and it prints which tokens occur and how many rows are"
                    + " longer than common values of max_length; else lengths are characters. With --max_length too, it"
                    + " prints what training would cut and leave out with --truncation_mode and the other options of"
                    + " rows; the rows are then read twice.",
            "With --output it writes rows: as they are, or in the shape of --convert. Shapes: text, conversational,"
                    + " openai, sharegpt, alpaca, unpaired (prompt, completion, label), prompt_completion, ids."
        },
        sortOptions = false)
final class DataCommand implements Callable<Integer> {
    private static final int COLUMNS = 80;
    private static final String TRAIN = "train.jsonl";
    private static final String TEST = "test.jsonl";

    @Spec
    private CommandSpec command;

    @Option(
            names = "--model_name_or_path",
            description =
                    "Hugging Face model directory, or the name of a model in the local Hugging Face cache, for its"
                            + " tokenizer.")
    private @Nullable Path model;

    @Option(
            names = "--model_revision",
            description = "Branch, tag or commit of model_name_or_path, if that is a name; default main.")
    private @Nullable String modelRevision;

    @Mixin
    private final HubOptions hub = new HubOptions();

    @Mixin
    private final DataOptions data = new DataOptions();

    @Mixin
    private final SeedOptions seeds = new SeedOptions(42);

    @Option(
            names = "--assistant_only_loss",
            arity = "0..1",
            fallbackValue = "true",
            description = "Learn only what the chat template marks as generated, as sft does with this option; default"
                    + " ${DEFAULT-VALUE}.")
    private boolean assistantOnlyLoss = false;

    @Option(names = "--html", description = "Also write the statistics to this file, as one HTML page.")
    private @Nullable Path html;

    @Option(
            names = "--row",
            description = "Show this row, by its line or element, as text and as tokens, instead of statistics.")
    private @Nullable Integer row;

    @Option(
            names = "--output",
            description =
                    "Write rows to this JSONL file, or to train.jsonl and test.jsonl in this directory if --split is"
                            + " given; - for standard output.")
    private @Nullable Path output;

    @Option(names = "--convert", description = "The shape in which rows are written: ${COMPLETION-CANDIDATES}.")
    private @Nullable RowShape convert;

    @Option(
            names = "--dedup",
            arity = "0..1",
            fallbackValue = "true",
            description = "Do not write rows that say the same as an earlier row.")
    private boolean dedup = false;

    @Option(
            names = "--split",
            description =
                    "Write about this share of the prompts to train.jsonl and the others to test.jsonl. Rows with the"
                            + " same prompt are in the same file; --seed chooses another split.")
    private @Nullable Double split;

    @Override
    public Integer call() {
        Output.require(command, "dataset_name", data.hasRows());
        checkOptions();
        hub.fetch(data, this::downloadTokenizer);
        NamedModel named = named();
        Path directory = named == null ? null : named.directory();
        RowSource source = data.rows(seeds.seed());
        source.notes().forEach(Output::notice);
        int vocabulary = directory == null ? Integer.MAX_VALUE : vocabulary(directory);
        try (Tokenizer tokenizer = directory == null ? null : Tokenizer.load(directory, vocabulary)) {
            Integer maxLength = data.maxLength();
            ReadOptions read = data.readOptions(
                    directory,
                    tokenizer,
                    vocabulary,
                    maxLength == null ? Integer.MAX_VALUE : maxLength,
                    TruncationMode.KEEP_START,
                    null);
            run(source, assistantOnlyLoss ? read.assistantOnly() : read);
        }
        return 0;
    }

    private void checkOptions() {
        data.checkValues();
        if (split != null) {
            OptionRange.SPLIT.check(split);
        }
        if (output == null && (convert != null || dedup || split != null)) {
            throw new Dpo4jException("output is missing; give it, because convert, dedup and split write rows");
        }
        if (output != null && (html != null || row != null)) {
            throw new Dpo4jException("output is given with " + (html != null ? "html" : "row")
                    + "; run the command twice: once to write rows, once to look at them");
        }
        if (output != null) {
            checkOutput(output);
        }
        Output.check(html);
        if (data.maxLength() != null && model == null) {
            throw new Dpo4jException(
                    "max_length is given without model_name_or_path, whose tokenizer counts tokens; give" + " both");
        }
    }

    private @Nullable NamedModel named() {
        return model == null ? null : new NamedModel(NamedModel.Origin.MODEL, model, modelRevision);
    }

    private void downloadTokenizer(Hub remote) {
        NamedModel named = named();
        if (named != null) {
            ModelDownload.tokenizer(named, remote);
        }
    }

    /** Throws if a file to write is the one that is read, whose rows would be lost if some are left out. */
    private void checkOutput(Path to) {
        List<Path> files = split == null ? List.of(to) : List.of(to.resolve(TRAIN), to.resolve(TEST));
        for (Path file : files) {
            if (Files.isRegularFile(file) && data.isDataset(file)) {
                throw new Dpo4jException("output would replace " + file + ", which dataset_name reads; name another");
            }
        }
        if (split == null) {
            Output.check(to);
        }
    }

    private static int vocabulary(Path directory) {
        Path config = directory.resolve("config.json");
        return Files.exists(config) ? Families.read(config).architecture().vocabSize() : Integer.MAX_VALUE;
    }

    private void run(RowSource source, ReadOptions read) {
        Tokenizer tokenizer = read.tokenizer();
        Encoder encoder = tokenizer == null ? null : new Encoder(tokenizer, read.vocabularySize(), read.rows());
        Integer shown = row;
        if (output != null) {
            write(source, read, encoder, output);
        } else if (shown != null) {
            Output.write(null, out -> RowText.print(source, shown, read, out));
        } else {
            statistics(source, read, new DatasetStatistics(encoder, tokenizer == null ? 0 : tokenizer.size()));
        }
    }

    private void statistics(RowSource source, ReadOptions read, DatasetStatistics statistics) {
        if (data.maxLength() != null && source.files().isEmpty()) {
            throw new Dpo4jException("max_length needs rows that can be read twice, and " + source.name()
                    + " is a pipe; write the rows to a file, or leave max_length out");
        }
        ReadRow.forEach(source, read.rows().columns(), statistics);
        Map<String, String> lines = StatisticsText.lines(statistics, COLUMNS);
        boolean hasRows = statistics.kind() != null;
        if (data.maxLength() != null && hasRows) {
            lines.put(
                    "with these options",
                    String.join("\n", report(source, read, statistics.kind()).table()));
        }
        Output.write(null, out -> out.println(new RunHeader(lines)));
        if (html != null) {
            Output.write(html, out -> out.print(StatisticsPage.html(source.name(), statistics)));
        }
        if (!hasRows) {
            throw new Dpo4jException(source.name() + " has no row that can be used; the statistics say why");
        }
    }

    /** What training would cut and leave out. */
    private DatasetReport report(RowSource source, ReadOptions read, @Nullable Kind kind) {
        if (kind == Kind.JUDGED) {
            return Dataset.unpaired(source, read, data.cache(), ReadListener.NONE)
                    .report();
        }
        return kind == Kind.SINGLE
                ? Dataset.sequences(source, read, data.cache(), ReadListener.NONE)
                        .report()
                : Dataset.pairs(source, read, data.cache(), ReadListener.NONE).report();
    }

    private void write(RowSource source, ReadOptions read, @Nullable Encoder encoder, Path to) {
        RowWriting writing = new RowWriting(
                convert, encoder, dedup, split == null ? 1 : split, seeds.seed(), read.onBadRow() == OnBadRow.SKIP);
        ColumnMap columns = read.rows().columns();
        if (split == null) {
            Output.write(to, out -> writing.write(source, columns, List.of(out)));
        } else {
            makeDirectory(to);
            Output.write(
                    to.resolve(TRAIN),
                    train -> Output.write(
                            to.resolve(TEST), test -> writing.write(source, columns, List.of(train, test))));
        }
        Output.notice(writing.toString());
    }

    private static void makeDirectory(Path directory) {
        try {
            OutputFile.makeDirectory(directory);
        } catch (IOException e) {
            throw new Dpo4jException(
                    "output " + directory + " cannot be made a directory (" + FileErrors.reason(e)
                            + "); choose another",
                    e);
        }
    }
}
