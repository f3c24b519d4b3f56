package org.dpo4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.dpo4j.io.JsonFile;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * {@code dpo4j dpo} compared with TRL's DPOTrainer, and {@code dpo4j kto} with its KTOTrainer, step by step
 * (tests/golden/trl_training.py and trl_kto.py make the values): lines of metrics, trained weights, and the length of each
 * tensor's change.
 *
 * <p>TRL computes the expected values in float64. {@code noise} is the max difference of three float32 runs of TRL from
 * them, over all steps of the case. dpo4j adds the same terms in float32 in another order, so its error is one more
 * sample of the same distribution. The tolerance is {@value #SAMPLES} times the noise, because this sample may be
 * larger than the max of three. The term {@link #FLOAT} is the rounding of the value itself, for values whose noise
 * happens to be 0.
 *
 * <p>The error of the length of a tensor's change is about the root mean square of its elements' errors, because these
 * errors do not depend on the direction of the change. Three samples of one number can all be small by chance. So its
 * tolerance is at least {@code weights_noise}, the max of about ten thousand errors of elements, which is at least four
 * of their standard deviations.
 */
@Tag("device")
class TrlTrainingTest {
    private static final double SAMPLES = 4;

    /** Two float32 roundings of a number. */
    private static final double FLOAT = 0x1p-23;

    private static final Set<String> EXACT = Set.of("step", "num_tokens", "learning_rate", "epoch");
    private static final List<JsonNode> GOLDEN = Stream.of("trl_training.json", "trl_kto.json")
            .map(name -> TestFiles.json(TestFiles.golden(name)))
            .toList();

    @TempDir
    private Path directory;

    static Stream<Arguments> cases() {
        return GOLDEN.stream()
                .flatMap(file -> elements(file.get("cases"))
                        .map(one -> Arguments.of(one.get("name").textValue(), one, file)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    @Tag("large")
    void trainsAsTrl(String name, JsonNode golden, JsonNode file) throws IOException {
        Object[] arguments = arguments(golden, file).toArray();
        String command = golden.path("command").asText("dpo");
        Cli.runOnDevice(command + " %s".repeat(arguments.length), arguments).assertSucceeded();
        List<JsonNode> lines = TestFiles.read(directory.resolve("out/metrics.jsonl"))
                .lines()
                .map(TestFiles::json)
                .toList();
        assertMetricsAreTrls(golden, lines);
        assertWeightsAreTrls(golden, file.get("weights_stride").intValue());
        if (golden.has("as_given")) {
            assertDiffersFromTrl(golden, lines);
        }
    }

    private void assertMetricsAreTrls(JsonNode golden, List<JsonNode> lines) {
        List<String> without =
                elements(golden.get("without")).map(JsonNode::textValue).toList();
        // If rewards are not compared, the losses have no reference, and the run logs no rewards.
        without.stream()
                .filter(name -> name.startsWith("rewards/"))
                .forEach(name -> assertThat(column(lines, name)).as(name).isEmpty());
        golden.get("expected").properties().forEach(column -> {
            if (!without.contains(column.getKey())) {
                List<Double> actual = column(lines, column.getKey());
                assertThat(actual).as(column.getKey()).hasSameSizeAs(column.getValue());
                for (int line = 0; line < actual.size(); line++) {
                    double expected = column.getValue().get(line).doubleValue();
                    assertThat(actual.get(line))
                            .as("%s of line %d", column.getKey(), line + 1)
                            .isCloseTo(expected, within(tolerance(golden, column.getKey(), expected)));
                }
            }
        });
    }

    private static double tolerance(JsonNode golden, String metric, double expected) {
        if (EXACT.contains(metric)) {
            return 1e-14 * expected; // both are a few double operations
        }
        return SAMPLES * golden.get("noise").get(metric).doubleValue() + FLOAT * Math.abs(expected);
    }

    private void assertWeightsAreTrls(JsonNode golden, int stride) throws IOException {
        double noise = golden.get("weights_noise").doubleValue();
        String file = isAdapter(golden) ? "adapter_model.safetensors" : "model.safetensors";
        Map<String, float[]> before = SavedWeights.read(model(golden).resolve(file));
        Map<String, float[]> after = SavedWeights.read(directory.resolve("out").resolve(file));
        assertThat(after).containsOnlyKeys(before.keySet());
        golden.get("weights").properties().forEach(tensor -> {
            float[] weights = tensor(after, tensor.getKey());
            for (int i = 0; i < tensor.getValue().size(); i++) {
                double expected = tensor.getValue().get(i).doubleValue();
                assertThat((double) weights[i * stride])
                        .as("%s[%d]", tensor.getKey(), i * stride)
                        .isCloseTo(expected, within(SAMPLES * noise + FLOAT * Math.abs(expected)));
            }
        });
        golden.get("moves").properties().forEach(tensor -> {
            double measured =
                    SAMPLES * golden.get("moves_noise").get(tensor.getKey()).doubleValue();
            double tolerance = Math.max(measured, noise);
            assertThat(distance(tensor(before, tensor.getKey()), tensor(after, tensor.getKey())))
                    .as("move of %s", tensor.getKey())
                    .isCloseTo(
                            tensor.getValue().doubleValue(),
                            within(tolerance + FLOAT * tensor.getValue().doubleValue()));
        });
    }

    /** TRL's numbers for the options as given differ from ours by far more than the tolerance, in some line. */
    private static void assertDiffersFromTrl(JsonNode golden, List<JsonNode> lines) {
        golden.get("as_given").properties().forEach(column -> {
            List<Double> actual = column(lines, column.getKey());
            double max = 0;
            for (int line = 0; line < actual.size(); line++) {
                double theirs = column.getValue().get(line).doubleValue();
                double tolerance = tolerance(golden, column.getKey(), theirs);
                max = Math.max(max, Math.abs(actual.get(line) - theirs) / tolerance);
            }
            assertThat(max)
                    .as("distance of %s from TRL, in tolerances", column.getKey())
                    .isGreaterThan(10);
        });
    }

    private List<String> arguments(JsonNode golden, JsonNode file) {
        JsonNode options = golden.get("options");
        List<String> arguments = new ArrayList<>(List.of(
                "--model_name_or_path=" + model(golden),
                "--dataset_name="
                        + rows(
                                file,
                                golden.path("dataset").asText("rows"),
                                options.path("rows").asInt(Integer.MAX_VALUE)),
                "--output_dir=" + directory.resolve("out"),
                "--save_dtype=float32", // some models are stored in bf16
                "--seed=42"));
        if (!options.has("logging_steps")) {
            arguments.add("--logging_steps=1");
        }
        if (options.has("eval_strategy")) {
            arguments.add("--eval_dataset=" + rows(file, "eval_rows", Integer.MAX_VALUE));
        }
        options.properties().forEach(option -> {
            if (!option.getKey().equals("rows")) {
                arguments.add("--" + option.getKey() + "=" + text(option.getValue()));
            }
        });
        return arguments;
    }

    private static String text(JsonNode value) {
        return value.isArray()
                ? String.join(",", elements(value).map(JsonNode::asText).toList())
                : value.asText();
    }

    /** A file of the first rows of a kind. */
    private Path rows(JsonNode file, String kind, int limit) {
        List<String> rows =
                elements(file.get(kind)).limit(limit).map(JsonNode::toString).toList();
        return TestFiles.write(directory.resolve(kind + ".jsonl"), String.join("\n", rows) + "\n");
    }

    /** A directory of tests/golden; of an adapter a copy whose config names the base model from here. */
    private Path model(JsonNode golden) {
        Path model = TestFiles.golden(golden.get("model").textValue());
        if (!isAdapter(golden)) {
            return model;
        }
        Path copy = directory.resolve("adapter");
        if (!Files.exists(copy)) {
            copyAdapter(model, copy);
        }
        return copy;
    }

    private static boolean isAdapter(JsonNode golden) {
        return golden.get("model").textValue().startsWith("adapters/");
    }

    private static void copyAdapter(Path adapter, Path copy) {
        try {
            Files.createDirectory(copy);
            String weights = "adapter_model.safetensors";
            Files.copy(adapter.resolve(weights), copy.resolve(weights));
            ObjectNode config = JsonFile.read(adapter.resolve("adapter_config.json"));
            Path base = TestFiles.golden(config.get("base_model_name_or_path").textValue());
            JsonFile.write(copy.resolve("adapter_config.json"), config.put("base_model_name_or_path", base.toString()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A metric in each line that has it; steps and epochs only in lines of training. */
    private static List<Double> column(List<JsonNode> lines, String name) {
        return lines.stream()
                .filter(line -> line.has(name) && (!EXACT.contains(name) || line.has("loss")))
                .map(line -> line.get(name).doubleValue())
                .toList();
    }

    private static float[] tensor(Map<String, float[]> tensors, String name) {
        return Objects.requireNonNull(tensors.get(name), name);
    }

    private static double distance(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
        }
        return Math.sqrt(sum);
    }

    private static Stream<JsonNode> elements(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false);
    }
}
