package org.dpo4j.train;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.data.Shuffle;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.MetricsLog;

/**
 * What the training loop made of a very small model.
 *
 * @param history lines of metrics
 * @param weights of the trained model, padding included
 */
record TinyRun(List<Metrics> history, float[] weights) {
    static final ModelConfig CONFIG = Llama.config(37, 16, 24, 2, 2, 1, 64, true);

    /** TRL's names of what a preference loss logs, in their order. */
    static final List<String> METRICS = List.of(
            "loss",
            "rewards/chosen",
            "rewards/rejected",
            "rewards/accuracies",
            "rewards/margins",
            "logps/chosen",
            "logps/rejected",
            "logits/chosen",
            "logits/rejected",
            "entropy",
            "mean_token_accuracy");

    /** Writes the directory {@code model} of random weights, and 8 pairs in {@code pairs.jsonl}. */
    static void writeModelAndPairs(Path directory) throws IOException {
        try (Device device = Devices.cpu(1);
                Model model = Model.create(CONFIG, device, DType.F32, 3)) {
            model.save(directory.resolve("model"), DType.F32);
        }
        List<String> rows = new ArrayList<>();
        for (PreferencePair pair : pairs(8)) {
            rows.add(new ObjectMapper()
                    .writeValueAsString(Map.of(
                            "prompt_ids",
                            pair.prompt(),
                            "chosen_ids",
                            pair.chosen(),
                            "rejected_ids",
                            pair.rejected())));
        }
        Files.write(directory.resolve("pairs.jsonl"), rows);
    }

    /** Every step logged; the paths are not read. */
    static DpoOptions.Builder options() {
        Path unread = Path.of("unread");
        return DpoOptions.builder()
                .modelNameOrPath(unread)
                .datasetName(unread)
                .outputDir(unread)
                .learningRate(1e-2)
                .loggingSteps(1)
                .seed(42);
    }

    /** {@code dpo} on random weights. */
    static TinyRun dpo(Device device, DType dtype, List<PreferencePair> pairs, DpoOptions options) {
        try (Model model = Model.create(CONFIG, device, dtype, 3)) {
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

    /** {@code sft}, likewise. */
    static TinyRun sft(Model model, List<Sequence> sequences, TrainOptions options, long logitsBytes) {
        return run(model, options, new SequenceObjective(model, sequences, sequences, options, logitsBytes));
    }

    /** {@code sft} on random weights. */
    static TinyRun sft(Device device, DType dtype, List<Sequence> sequences, TrainOptions options) {
        try (Model model = Model.create(CONFIG, device, dtype, 3)) {
            return run(model, options, new SequenceObjective(model, sequences, sequences, options));
        }
    }

    /** Closes the objective. */
    static TinyRun run(Model model, TrainOptions options, Objective objective) {
        try (objective;
                MetricsLog log = new MetricsLog(temporary(), metrics -> {})) {
            int rows = objective.rows();
            Steps steps = new Steps(
                    rows, options, epoch -> Shuffle.order(rows, options.seeds().seed(), epoch));
            RunState state = RunState.begin(model.parameters(), objective, steps, options, metrics -> {});
            List<Metrics> history = new TrainLoop(state, options, metrics -> {}, log).run();
            return new TinyRun(history, weights(model));
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
            ByteBuffer bytes = ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder());
            device.download(bytes, copy.address());
            float[] weights = new float[count];
            bytes.rewind().asFloatBuffer().get(weights);
            return weights;
        }
    }

    /** Pairs of random tokens: prompts of 1 to 6, completions of 1 to 7. */
    static List<PreferencePair> pairs(int count) {
        Random random = new Random(5);
        return draw(count, row -> new PreferencePair(row, tokens(random, 6), tokens(random, 7), tokens(random, 7)));
    }

    /** Sequences of random tokens of very different lengths. */
    static List<Sequence> sequences(int count) {
        Random random = new Random(6);
        return draw(count, row -> new Sequence(row, tokens(random, 3), tokens(random, row % 2 == 0 ? 3 : 20)));
    }

    private static <T> List<T> draw(int count, Function<Integer, T> next) {
        List<T> drawn = new ArrayList<>();
        for (int row = 1; row <= count; row++) {
            drawn.add(next.apply(row));
        }
        return drawn;
    }

    private static int[] tokens(Random random, int most) {
        return random.ints(1 + random.nextInt(most), 3, CONFIG.architecture().vocabSize())
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
