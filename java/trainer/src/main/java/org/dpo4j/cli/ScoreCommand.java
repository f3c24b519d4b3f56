package org.dpo4j.cli;

import java.io.PrintStream;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.TruncationMode;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.model.NamedModel;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.report.Console;
import org.dpo4j.train.DataOptions;
import org.dpo4j.train.DeviceOptions;
import org.dpo4j.train.HubOptions;
import org.dpo4j.train.LoadingReport;
import org.dpo4j.train.ModelDownload;
import org.dpo4j.train.ModelOptions;
import org.dpo4j.train.OptionRange;
import org.dpo4j.train.ReadingReport;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code dpo4j score}: uses a trained model as the reward model that it contains. */
@Command(
        name = "score",
        description = "Show the implicit rewards of answers: beta (log-prob - reference log-prob). Of pairs, also how"
                + " often the chosen answer has the larger reward, and how well the margins are calibrated.",
        footer = {
            "",
            "The table goes to standard output, or to standard error if the lines of rows go there.",
            "--output writes one JSON line per row. That of a pair has {\"row\", \"chosen_rewards\","
                    + " \"rejected_rewards\", \"margins\"}, and for both answers log-probs, reference log-probs and"
                    + " numbers of tokens. That of any other row has {\"row\", \"rewards\", \"logps\", \"ref_logps\","
                    + " \"tokens\"}. Ranked answers have a line for each pair of a better and a worse one.",
            "The table sorts pairs into bins by |margin|. Confidence is sigmoid(|margin|), the probability that the"
                    + " answer with the larger reward is the better one; in a calibrated model accuracy equals it. A"
                    + " margin of 0 counts as half right in its bin, and as wrong in the accuracy of all pairs, as in"
                    + " TRL. The expected calibration error is the mean over pairs of the difference of the two.",
            "One model is in memory at a time."
        },
        sortOptions = false)
final class ScoreCommand implements Callable<Integer> {
    /** TRL's default seed. */
    private static final long MIXTURE_SEED = 42;

    private static final String NONE = "none";

    @Spec
    private CommandSpec command;

    @Mixin
    private final ModelOptions modelOptions = new ModelOptions();

    @Mixin
    private final HubOptions hub = new HubOptions();

    @Option(
            names = "--ref_model_name_or_path",
            description =
                    "Required. Hugging Face directory, or name in the local Hugging Face cache, of the reference: the"
                            + " model from which training began. none: rewards are beta times the log-probs.")
    private @Nullable Path reference;

    @Option(
            names = "--ref_model_revision",
            description = "Branch, tag or commit of ref_model_name_or_path, if that is a name; default main.")
    private @Nullable String refModelRevision;

    @Mixin
    private final DeviceOptions deviceOptions = new DeviceOptions();

    @Mixin
    private final DataOptions data = new DataOptions();

    @Option(names = "--beta", description = "Factor of the rewards: beta of the training; default ${DEFAULT-VALUE}.")
    private double beta = 0.1;

    @Option(
            names = "--calibration_bins",
            description = "Bins of the confidences from 0.5 to 1; default ${DEFAULT-VALUE}.")
    private int bins = 10;

    @Mixin
    private final ScoringOptions scoring = new ScoringOptions();

    @Override
    public Integer call() {
        Output.require(command, "model_name_or_path", modelOptions.hasDirectory());
        Output.require(command, "ref_model_name_or_path", reference != null);
        Output.require(command, "dataset_name", data.hasRows());
        OptionRange.BETA.check(beta);
        OptionRange.CALIBRATION_BINS.check(bins);
        if (scoring.isPerToken() && !scoring.hasOutput()) {
            throw new Dpo4jException("per_token is true, but no rows are written; give output, or leave it out");
        }
        data.checkValues();
        scoring.check();
        findReference();
        Architecture policy = Model.readConfig(modelOptions.directory()).architecture();
        int maxLength = policy.maxLength(data.maxLength(), Integer.MAX_VALUE);
        if (hasReference()) {
            Architecture other = Model.readConfig(referenceDirectory()).architecture();
            requireSameVocabulary(policy, other);
            maxLength = Math.min(maxLength, other.maxLength(data.maxLength(), Integer.MAX_VALUE));
        }
        try (Console console = Console.errors();
                Device device = deviceOptions.open(Output::notice)) {
            read(policy.vocabSize(), maxLength, new Session(device, console));
        }
        return 0;
    }

    /** Finds the reference by its name, after downloading all that is named. */
    private void findReference() {
        Path given = reference;
        NamedModel.Origin.REFERENCE.checkRevision(hasReference() ? given : null, refModelRevision);
        if (given == null || !hasReference()) {
            hub.fetch(modelOptions, data);
            return;
        }
        NamedModel named = new NamedModel(NamedModel.Origin.REFERENCE, given, refModelRevision);
        hub.fetch(modelOptions, data, remote -> ModelDownload.all(named, remote));
        reference = named.directory();
    }

    /** Where models run, and what shows their loading. */
    private record Session(Device device, Console console) {}

    private boolean hasReference() {
        return !referenceDirectory().toString().equals(NONE);
    }

    private Path referenceDirectory() {
        return reference == null ? Path.of(NONE) : reference;
    }

    private void requireSameVocabulary(Architecture policy, Architecture other) {
        String difference = Tokenizer.difference(
                modelOptions.tokenizerDirectory(), ModelOptions.tokenizerDirectory(referenceDirectory()));
        if (difference != null) {
            throw new Dpo4jException("ref_model_name_or_path " + reference + " has another tokenizer than "
                    + modelOptions.directory() + ": " + difference + "; give the model from which training began");
        }
        if (policy.vocabSize() != other.vocabSize()
                && !Tokenizer.isIn(ModelOptions.tokenizerDirectory(referenceDirectory()))) {
            throw new Dpo4jException("ref_model_name_or_path " + reference + " has " + other.vocabSize()
                    + " token ids, but model_name_or_path " + modelOptions.directory() + " has " + policy.vocabSize()
                    + "; give the model from which training began");
        }
    }

    private void read(int vocabulary, int maxLength, Session session) {
        try (Tokenizer tokenizer = Tokenizer.find(modelOptions.tokenizerDirectory(), vocabulary)) {
            ReadOptions read = data.readOptions(
                    modelOptions.tokenizerDirectory(), tokenizer, vocabulary, maxLength, TruncationMode.RAISE, null);
            RowSource rows = data.rows(MIXTURE_SEED);
            rows.notes().forEach(Output::notice);
            Map<String, String> stored = new LinkedHashMap<>();
            Dataset.read(
                    rows,
                    read,
                    data.cache(),
                    new ReadingReport("rows", session.console(), stored),
                    pairs -> {
                        Rewards rewards = score(rows.name(), pairs, stored, CompletionRows.PAIRS, session);
                        table().println(RewardTable.pairs(rewards, bins));
                    },
                    sequences -> {
                        Rewards rewards = score(rows.name(), sequences, stored, CompletionRows.SEQUENCES, session);
                        table().println(RewardTable.completions(rewards));
                    });
        }
    }

    private <T> Rewards score(
            String source, Dataset<T> read, Map<String, String> stored, CompletionRows<T> kind, Session session) {
        Output.describe(source, read.report().facts("rows", ""), stored);
        CompletionRows.Pass pass = scoring.pass();
        CompletionLogProbs policy = logProbs(modelOptions.directory(), read, kind, pass, session);
        CompletionLogProbs other =
                hasReference() ? logProbs(referenceDirectory(), read, kind, pass, session) : policy.zeros();
        Rewards rewards = new Rewards(beta, policy, other);
        if (scoring.hasOutput()) {
            scoring.write(out -> RewardLines.write(kind, read.rows(), rewards, hasReference(), out));
        }
        return rewards;
    }

    private <T> CompletionLogProbs logProbs(
            Path directory, Dataset<T> read, CompletionRows<T> kind, CompletionRows.Pass pass, Session session) {
        Device device = session.device();
        try (Model model =
                Model.load(directory, device, modelOptions.storage(device), new LoadingReport(session.console()))) {
            return CompletionLogProbs.compute(kind, read.rows(), model, pass);
        }
    }

    /** Where the table is printed: not among the rows. */
    private PrintStream table() {
        return scoring.isStandardOutput() ? System.err : Output.standard();
    }
}
