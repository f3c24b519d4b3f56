package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import org.dpo4j.conformance.On;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.data.UnpairedCompletion;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.MetricsLog;
import org.dpo4j.report.RunListener;
import org.dpo4j.report.RunStart;

/**
 * A training run of a very small model.
 *
 * @param history lines of metrics
 * @param weights of the trained model, with padding
 */
public record TinyRun(List<Metrics> history, float[] weights) {
    static final ModelConfig CONFIG = Llama.config(37, 16, 24, 2, 2, 1, 64, true);

    /** Names of the metrics that every preference loss has: TRL's in TRL's order, then those of lengths. */
    static final List<String> METRICS =
            List.of(("loss rewards/chosen rewards/rejected rewards/accuracies rewards/margins logps/chosen"
                            + " logps/rejected logits/chosen logits/rejected entropy mean_token_accuracy lengths/chosen"
                            + " lengths/rejected")
                    .split(" "));

    /** Writes the directory {@code model} of random weights, and 8 pairs in {@code pairs.jsonl}. */
    public static void writeModelAndPairs(Path directory) throws IOException {
        writeModelAndPairs(directory, CONFIG, 8);
    }

    public static void writeModelAndPairs(Path directory, ModelConfig config, int count) throws IOException {
        try (Device device = Devices.cpu(1);
                Model model = Model.create(config, device, DType.F32, 3)) {
            model.save(directory.resolve("model"), DType.F32);
        }
        List<String> rows = new ArrayList<>();
        for (PreferencePair pair : pairs(count)) {
            rows.add("{\"prompt_ids\":%s,\"chosen_ids\":%s,\"rejected_ids\":%s}"
                    .formatted(
                            Arrays.toString(pair.prompt()),
                            Arrays.toString(pair.chosen()),
                            Arrays.toString(pair.rejected())));
        }
        Files.write(directory.resolve("pairs.jsonl"), rows);
    }

    /** Every step logged; the paths are not read. */
    static DpoOptions.Builder options() {
        Path unread = Path.of("/unread"); // absolute, because a relative path may be a name of the hub
        return DpoOptions.builder()
                .modelNameOrPath(unread)
                .datasetName(unread)
                .outputDir(unread)
                .learningRate(1e-2)
                .loggingSteps(1)
                .seed(42);
    }

    /** A run on {@code cpu} of the files of {@link #writeModelAndPairs}. */
    static DpoOptions.Builder options(Path directory, String output) {
        return options()
                .modelNameOrPath(directory.resolve("model"))
                .datasetName(directory.resolve("pairs.jsonl"))
                .outputDir(directory.resolve(output))
                .device("cpu")
                .perDeviceTrainBatchSize(3);
    }

    /** Random weights, the same in every test. */
    static Model model(Device device, DType dtype) {
        return Model.create(CONFIG, device, dtype, 3);
    }

    static Model model(On on) {
        return model(on.device(), on.dtype());
    }

    /** {@code dpo} on random weights. */
    static TinyRun dpo(On on, List<PreferencePair> pairs, DpoOptions options) {
        return dpo(on.device(), on.dtype(), pairs, options);
    }

    static TinyRun dpo(Device device, DType dtype, List<PreferencePair> pairs, DpoOptions options) {
        try (Model model = model(device, dtype)) {
            return dpo(model, pairs, List.of(), options);
        }
    }

    static TinyRun dpo(Model model, List<PreferencePair> pairs, List<PreferencePair> evalPairs, DpoOptions options) {
        return run(model, options.train(), new PreferenceObjective(model, pairs, evalPairs, options));
    }

    /** With another bound on the memory of logits. */
    static TinyRun dpo(Model model, List<PreferencePair> pairs, DpoOptions options, long logitsBytes) {
        return run(model, options.train(), new PreferenceObjective(model, pairs, List.of(), options, logitsBytes));
    }

    /** {@code kto}. */
    static TinyRun kto(
            Model model, List<UnpairedCompletion> rows, List<UnpairedCompletion> evalRows, KtoOptions options) {
        return run(model, options.train(), new UnpairedObjective(model, rows, evalRows, options));
    }

    /** {@code sft}, likewise. */
    static TinyRun sft(Model model, List<Sequence> sequences, TrainOptions options, long logitsBytes) {
        return run(model, options, new SequenceObjective(model, sequences, sequences, options, logitsBytes));
    }

    /** {@code sft} on random weights. */
    static TinyRun sft(On on, List<Sequence> sequences, TrainOptions options) {
        try (Model model = model(on)) {
            return sft(model, sequences, options);
        }
    }

    /** {@code sft}. */
    static TinyRun sft(Model model, List<Sequence> sequences, TrainOptions options) {
        return run(model, options, new SequenceObjective(model, sequences, sequences, options));
    }

    /** Runs to the end and closes the objective. */
    static TinyRun run(Model model, TrainOptions options, Objective objective) {
        try (objective;
                MetricsLog log = new MetricsLog(temporary(), metrics -> {})) {
            return new TinyRun(
                    loop(model, options, objective, metrics -> {}, log).run(), weights(model));
        }
    }

    /** The loop of a run, which begins it. */
    static TrainLoop loop(
            Model model, TrainOptions options, Objective objective, RunListener listener, MetricsLog log) {
        Steps steps = new Steps(options, objective.rowTokens());
        RunState state = RunState.begin(objective, steps, options, metrics -> {});
        Checkpoints checkpoints =
                new Checkpoints(model, options, () -> RunIdentity.find(options, objective, null), listener);
        MemoryPlan memory = MemoryPlan.of(objective, steps, ReferencePlanner.plan(objective, steps, options), options);
        RunStart start = new RunReports("dpo", Map.of()).start(options, memory, steps.total());
        return new TrainLoop(state, options, listener, log, checkpoints, start);
    }

    /** Steps over rows in the order of a run. */
    static Steps steps(int rows, TrainOptions options) {
        return new Steps(options, new int[rows]);
    }

    /**
     * Metrics of the first steps are close to those of a run that adds the same numbers in another order: a few f32
     * roundings a gradient, carried over the steps.
     */
    void assertCloseTo(TinyRun expected, int steps, String description, String... names) {
        for (String name : names) {
            for (int step = 0; step < steps; step++) {
                double value = expected.value(step, name);
                assertThat(value(step, name))
                        .as("%s of step %d, %s", name, step + 1, description)
                        .isCloseTo(value, within(1e-5 * Math.max(1, Math.abs(value))));
            }
        }
    }

    double value(int line, String name) {
        Double value = history.get(line).values().get(name);
        if (value == null) {
            throw new AssertionError("line " + line + " has no " + name + ": " + history.get(line));
        }
        return value;
    }

    double last(String name) {
        return value(history.size() - 1, name);
    }

    /** Weights as f32, whatever they are stored as. */
    static float[] weights(Model model) {
        Device device = model.device();
        int count = Math.toIntExact(model.parameters().count());
        try (var copy = device.allocate(4L * count)) {
            model.parameters().copyAsF32(copy.address());
            return device.downloadFloats(copy.address(), count);
        }
    }

    /** Pairs of random tokens: prompts of 1 to 6, completions of 1 to 7. */
    static List<PreferencePair> pairs(int count) {
        Random random = new Random(5);
        return rows(count, row -> new PreferencePair(row, tokens(random, 6), tokens(random, 7), tokens(random, 7)));
    }

    /** Judged completions of random tokens: prompts of 1 to 6, completions of 1 to 7. */
    static List<UnpairedCompletion> judged(int count) {
        Random random = new Random(9);
        return rows(
                count,
                row -> new UnpairedCompletion(row, tokens(random, 6), tokens(random, 7), row % 4 == 1 || row % 6 == 2));
    }

    /** Sequences of random tokens of very different lengths. */
    static List<Sequence> sequences(int count) {
        Random random = new Random(6);
        return rows(count, row -> new Sequence(row, tokens(random, 3), tokens(random, row % 2 == 0 ? 3 : 20)));
    }

    private static <T> List<T> rows(int count, Function<Integer, T> next) {
        List<T> rows = new ArrayList<>();
        for (int row = 1; row <= count; row++) {
            rows.add(next.apply(row));
        }
        return rows;
    }

    private static int[] tokens(Random random, int max) {
        return random.ints(1 + random.nextInt(max), 3, CONFIG.architecture().vocabSize())
                .toArray();
    }

    private static Path temporary() {
        try {
            Path file = Files.createTempFile("metrics", ".jsonl");
            file.toFile().deleteOnExit();
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
