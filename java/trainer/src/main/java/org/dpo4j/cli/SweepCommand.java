package org.dpo4j.cli;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.dpo4j.cli.SweepResult.State;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.KlEstimate;
import org.dpo4j.train.OptionRange;
import org.dpo4j.train.TrainOptions;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Base of the commands that train one run for each combination of the values of a grid, and compare them. */
@Command(
        footer = {
            "",
            "Each run writes its model to a directory of output_dir that is named by its values, such as beta=0.05."
                    + " output_dir gets sweep.md and sweep.json, a row for each run, and sweep.svg, the picture.",
            "The same command goes on with a sweep that was stopped: finished runs are not trained again, and others go"
                    + " on from their newest checkpoint. A run that fails is a row with its error. The exit code is 1 if"
                    + " a run failed.",
            "KL is an estimate: answers are sampled from the trained model at temperature 1, one for each of the first"
                    + " kl_samples different prompts of the evaluation rows, and KL is the mean of log-prob - reference"
                    + " log-prob in nats per answer. An answer that is longer than kl_max_new_tokens counts with its first"
                    + " tokens. The reference is ref_model_name_or_path, or else the model that"
                    + " training began with."
        },
        sortOptions = false)
abstract class SweepCommand implements Callable<Integer> {
    /** What a sweep decides itself, or what must not differ between its runs. */
    private static final Set<String> NOT_IN_GRID =
            Set.of("grid", "max_runs", "max_minutes", "kl_samples", "kl_max_new_tokens", "frontier_metric");

    @Spec
    private CommandSpec command;

    @Option(
            names = "--grid",
            arity = "1..*",
            paramLabel = "<option=value,value>",
            description =
                    "Required. Values of an option to try: beta=0.05,0.1, or several of these, or --grid several times; if a"
                            + " value has a comma, a JSON list: loss_type=[\"sigmoid,sft\",\"ipo\"]. In a config file a mapping:"
                            + " {beta: [0.05, 0.1]}.")
    private List<SweepGrid> grids = List.of();

    @Option(names = "--max_runs", description = "Maximum number of runs to train now; default all.")
    private @Nullable Integer maxRuns;

    @Option(
            names = "--max_minutes",
            description = "No run begins later than this; one that has begun is finished. Default: no limit.")
    private @Nullable Double maxMinutes;

    @Option(
            names = "--kl_samples",
            description = "Maximum number of sampled answers by which KL is estimated; 0: it is not; default"
                    + " ${DEFAULT-VALUE}.")
    private int klSamples = 64;

    @Option(names = "--kl_max_new_tokens", description = "Maximum tokens of such an answer; default ${DEFAULT-VALUE}.")
    private int klMaxNewTokens = 128;

    @Option(
            names = "--frontier_metric",
            description = "Metric of the last evaluation that the picture shows against KL; default ${DEFAULT-VALUE}.")
    private String frontierMetric;

    private final SweepTrainer trainer;

    SweepCommand(SweepTrainer trainer) {
        this.trainer = trainer;
        this.frontierMetric = trainer.frontierMetric();
    }

    @Override
    public final Integer call() {
        SweepGrid grid = grid();
        checkNumbers();
        @Nullable IDefaultValueProvider file = command.commandLine().getDefaultValueProvider();
        Path output = outputDirectory();
        List<SweepRun> runs = plan(grid, output, file);
        Sweep sweep = new Sweep(
                runs,
                new Sweep.Budget(
                        maxRuns == null ? Integer.MAX_VALUE : maxRuns,
                        maxMinutes == null ? Double.POSITIVE_INFINITY : maxMinutes),
                new KlEstimate.Sampling(klSamples, klMaxNewTokens),
                file,
                isSet("overwrite_output_dir"),
                System::nanoTime);
        int code = StopSignals.duringRuns(listener -> {
            try {
                sweep.train(listener);
            } finally {
                report(sweep.results(), output, listener);
            }
        });
        boolean hasFailed = sweep.results().values().stream().anyMatch(result -> result.state() == State.FAILED);
        return code == 0 && hasFailed ? 1 : code;
    }

    private SweepGrid grid() {
        Output.require(command, "grid", !grids.isEmpty());
        SweepGrid grid = merged();
        Set<String> known = new TreeSet<>(OptionNames.settable(command));
        known.removeAll(NOT_IN_GRID);
        known.removeAll(SweepRun.SET_BY_SWEEP);
        for (String name : grid.axes().keySet()) {
            if (!known.contains(name)) {
                boolean isOwn = NOT_IN_GRID.contains(name) || SweepRun.SET_BY_SWEEP.contains(name);
                throw new Dpo4jException("grid has " + name
                        + (isOwn ? ", which belongs to the sweep itself; leave it out" : notOfTrainer(name, known)));
            }
            if (given().containsKey(name)) {
                throw new Dpo4jException(name + " is given, and also in grid; leave one out");
            }
        }
        if (isSet("resume_from_checkpoint")) {
            throw new Dpo4jException("resume_from_checkpoint is given, but a sweep goes on by itself; leave it out");
        }
        return grid;
    }

    private String notOfTrainer(String name, Set<String> known) {
        return Arrays.stream(SweepTrainer.values())
                .filter(other -> OptionNames.settable(CommandSpec.forAnnotatedObject(other.builder()))
                        .contains(name))
                .map(other -> ", which is an option of " + other.command() + ", but " + trainer.sweep() + " trains "
                        + trainer.command() + "; use ./dpo4j " + other.sweep())
                .findFirst()
                .orElse(", which is no option of " + trainer.command() + NearestName.suggestion(name, known));
    }

    private SweepGrid merged() {
        try {
            return SweepGrid.merge(grids);
        } catch (Dpo4jException e) {
            throw new Dpo4jException("grid: " + e.getMessage() + "; leave one out", e);
        }
    }

    private void checkNumbers() {
        OptionRange.KL_SAMPLES.check(klSamples);
        OptionRange.KL_MAX_NEW_TOKENS.check(klMaxNewTokens);
        if (maxRuns != null) {
            OptionRange.MAX_RUNS.check(maxRuns);
        }
        if (maxMinutes != null) {
            OptionRange.MAX_MINUTES.check(maxMinutes);
        }
        if (!frontierMetric.startsWith("eval_")) {
            throw new Dpo4jException("frontier_metric is " + frontierMetric
                    + "; it must be a metric of an evaluation, such as eval_rewards/margins");
        }
    }

    /** The options of the command line, each with its arguments. */
    private Map<String, List<String>> given() {
        Map<String, List<String>> given = new LinkedHashMap<>();
        for (OptionSpec option : command.commandLine().getParseResult().matchedOptions()) {
            given.put(OptionNames.normalised(option.longestName()), option.originalStringValues());
        }
        return given;
    }

    /** Whether an option has a value other than none and false, on the command line or in a config file. */
    private boolean isSet(String name) {
        ArgSpec option = command.findOption("--" + name);
        Object value = option == null ? null : option.getValue();
        return value != null && !value.toString().equalsIgnoreCase("false");
    }

    private Path outputDirectory() {
        OptionSpec option = command.findOption("--output_dir");
        Path given = option == null ? null : option.getValue();
        Output.require(command, "output_dir", given != null);
        return given == null ? Path.of("") : given;
    }

    /** Plans all runs before the first one, so that a mistake in a value shows before hours have passed. */
    private List<SweepRun> plan(SweepGrid grid, Path output, @Nullable IDefaultValueProvider file) {
        Set<String> trained = OptionNames.settable(CommandSpec.forAnnotatedObject(trainer.builder()));
        trained.removeAll(SweepRun.SET_BY_SWEEP);
        List<String> common = new ArrayList<>();
        given().forEach((name, values) -> {
            if (trained.contains(name)) {
                common.add("--" + name + "=" + String.join(",", values));
            }
        });
        List<SweepRun> runs = new ArrayList<>();
        for (Map<String, String> point : grid.points()) {
            runs.add(SweepRun.plan(trainer, point, output, common, file)
                    .with("kl_samples", klSamples)
                    .with("kl_max_new_tokens", klMaxNewTokens));
        }
        TrainOptions first =
                runs.get(0).build("--overwrite_output_dir=true", file).options();
        if (!first.hasEvalRows()) {
            throw new Dpo4jException("eval_dataset is missing: runs are compared by their last evaluation; give it");
        }
        if (first.readsPipe()) {
            throw new Dpo4jException(
                    "dataset_name or eval_dataset is a pipe, which only one run could read; write its rows to a file");
        }
        return runs;
    }

    private void report(Map<SweepRun, SweepResult> results, Path output, RunListener listener) {
        if (results.isEmpty() || results.values().stream().allMatch(result -> result.state() == State.NOT_RUN)) {
            return; // refused before the first run
        }
        String table = SweepTable.markdown(results, frontierMetric);
        Output.write(output.resolve("sweep.md"), out -> out.print(table));
        JsonFile.write(output.resolve("sweep.json"), SweepTable.json(results));
        Output.standard().print(System.lineSeparator() + table);
        long left = results.values().stream()
                .filter(result -> result.state() == State.NOT_RUN)
                .count();
        if (left > 0) {
            listener.notice(left + " of " + results.size()
                    + " runs did not fit into max_runs and max_minutes; the same command goes on with them");
        }
        draw(results, output, listener);
    }

    private void draw(Map<SweepRun, SweepResult> results, Path output, RunListener listener) {
        List<FrontierPicture.Point> points = new ArrayList<>();
        int number = 0;
        for (Map.Entry<SweepRun, SweepResult> entry : results.entrySet()) {
            number++;
            Map<String, Double> metrics = entry.getValue().metrics();
            double kl = metrics.getOrDefault(SweepResult.KL, Double.NaN);
            double value = metrics.getOrDefault(frontierMetric, Double.NaN);
            if (Double.isFinite(kl) && Double.isFinite(value)) {
                points.add(new FrontierPicture.Point(number, entry.getKey().name(), kl, value));
            }
        }
        if (points.isEmpty()) {
            listener.notice("sweep.svg is not drawn: no run has kl and " + frontierMetric + "; with another"
                    + " frontier_metric the same command draws it without training again. The runs have "
                    + SweepTable.metrics(results).stream().collect(Collectors.joining(", ")));
            return;
        }
        String picture = FrontierPicture.svg(points, frontierMetric);
        OutputFile.write(output.resolve("sweep.svg"), picture.getBytes(StandardCharsets.UTF_8));
    }
}
