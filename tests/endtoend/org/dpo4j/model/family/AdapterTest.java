package org.dpo4j.model.family;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PairLayout;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.DType;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.GivenGradient;
import org.dpo4j.model.LoraConfig;
import org.dpo4j.model.LoraTargets;
import org.dpo4j.model.Model;
import org.dpo4j.model.ParameterTensor;
import org.dpo4j.model.Parameters;
import org.dpo4j.model.TestFiles;
import org.dpo4j.model.TrainingModel;
import org.junit.jupiter.api.io.TempDir;

/** LoRA adapters of tiny models of every family against PEFT (tests/golden/adapters.py). */
class AdapterTest {
    @TempDir
    Path directory;

    /**
     * The tolerances are those of {@link FamilyTest}. In bf16 an adapter rounds four numbers more at each of the four
     * projections of a layer: A, B, h, and y once more.
     */
    @OnEachDType
    void logProbsOfAllTokensArePefts(On on) {
        onEachAdapter(on, (golden, model) -> {
            Map<String, float[]> expected =
                    TestFiles.floatTensors(adapter(golden).resolve("logits.safetensors"));
            for (int i = 0; i < golden.sequences().size(); i++) {
                float[] logits = Objects.requireNonNull(expected.get(Integer.toString(i)));
                double roundings = 39.0 * model.architecture().layerCount() + 7;
                double error = on.dtype() == DType.F32
                        ? 5e-5 * GoldenModel.max(logits)
                        : 4 * 0x1p-9 * Math.sqrt(roundings / 3) * FamilyTest.maxBeforeCap(model, logits);
                double[] logProbs =
                        GoldenModel.logSoftmax(logits, model.architecture().vocabSize());
                float[] actual = GoldenModel.logProbs(model, golden.ids(i));
                for (int j = 0; j < logProbs.length; j++) {
                    assertThat((double) actual[j])
                            .as("%s, sequence %d, element %d", golden.name(), i, j)
                            .isCloseTo(logProbs[j], within(2 * error));
                }
            }
        });
    }

    /** The gradients of all matrices, with and without shared prefix; those of the base model are not computed. */
    @OnEachDevice
    void gradientsArePefts(On on) {
        onEachAdapter(on, (golden, model) -> {
            Map<String, float[]> expected =
                    TestFiles.floatTensors(adapter(golden).resolve("gradients.safetensors"));
            Parameters trained = model.trained();
            assertThat(trained.tensors().stream().map(ParameterTensor::name))
                    .as(golden.name())
                    .containsExactlyInAnyOrderElementsOf(expected.keySet());
            for (boolean isPrefixShared : new boolean[] {true, false}) {
                trained.zeroGradients();
                accumulate(model, golden, isPrefixShared);
                for (ParameterTensor tensor : trained.tensors()) {
                    float[] gradient = Objects.requireNonNull(expected.get(tensor.name()));
                    float[] actual = trained.readGradient(tensor);
                    double max = GoldenModel.max(gradient);
                    assertThat(max).isPositive();
                    for (int i = 0; i < gradient.length; i++) {
                        assertThat((double) actual[i])
                                .as("%s, %s %d, shared %s", golden.name(), tensor.name(), i, isPrefixShared)
                                .isCloseTo(gradient[i], within(1e-4 * max));
                    }
                }
            }
        });
    }

    /**
     * The derivative along the gradient is its length. Differences with steps of h and h / 2 are extrapolated to 0 (Richardson),
     * and their distance bounds the error of that. fp32 adds up to 1e-5 of the max logit to each of ten log-probs, as in {@link
     * FamilyTest}. The weights of the loss are at most 1.
     */
    @OnEachDevice
    void gradientsAreThoseOfFiniteDifferences(On on) {
        onEachAdapter(on, (golden, model) -> {
            Parameters trained = model.trained();
            trained.zeroGradients();
            loss(model, golden);
            Map<String, float[]> weights = weights(trained);
            Map<String, float[]> gradients = new TreeMap<>();
            trained.tensors().forEach(tensor -> gradients.put(tensor.name(), trained.readGradient(tensor)));
            double length = 0;
            for (float[] gradient : gradients.values()) {
                for (float element : gradient) {
                    length += (double) element * element;
                }
            }
            length = Math.sqrt(length);
            double step = 0.02;
            double[] slopes = new double[2];
            for (int i = 0; i < 2; i++) {
                double h = step / (1 << i);
                double above = lossAt(model, golden, weights, gradients, h / length);
                double below = lossAt(model, golden, weights, gradients, -h / length);
                slopes[i] = (above - below) / (2 * h);
            }
            float[] logits = Objects.requireNonNull(
                    TestFiles.floatTensors(adapter(golden).resolve("logits.safetensors"))
                            .get("0"));
            double rounding = 10 * 1e-5 * GoldenModel.max(logits) / step;
            double tolerance = 3 * rounding + Math.abs(slopes[1] - slopes[0]);
            assertThat(tolerance).as(golden.name()).isLessThan(0.03 * length);
            assertThat((4 * slopes[1] - slopes[0]) / 3).as(golden.name()).isCloseTo(length, within(tolerance));
        });
    }

    /** The loss with the weights moved by a multiple of the gradient. */
    private static double lossAt(
            Model model,
            GoldenModel golden,
            Map<String, float[]> weights,
            Map<String, float[]> gradients,
            double factor) {
        for (ParameterTensor tensor : model.trained().tensors()) {
            float[] moved = Objects.requireNonNull(weights.get(tensor.name())).clone();
            float[] gradient = Objects.requireNonNull(gradients.get(tensor.name()));
            for (int i = 0; i < moved.length; i++) {
                moved[i] += (float) (factor * gradient[i]);
            }
            model.trained().writeWeights(tensor, moved);
        }
        return loss(model, golden);
    }

    /** Adds the gradient of the golden loss, and returns the loss. */
    private static double loss(Model model, GoldenModel golden) {
        float[] tokens = accumulate(model, golden, true);
        int chosen = golden.pair().chosen().length;
        double loss = 0;
        for (int i = 0; i < tokens.length; i++) {
            loss += golden.weights()[i < chosen ? 0 : 1] * (double) tokens[i];
        }
        return loss;
    }

    /** Training leaves every bit of the base model, and a new adapter every bit of its log-probs. */
    @OnEachDType
    void aNewAdapterChangesNothingAndTheBaseModelStays(On on) {
        for (String name : List.of("qwen2", "gpt2", "phi3", "gpt-neox")) {
            GoldenModel golden = GoldenModel.read(FamilyTest.golden(name));
            try (Model model = Model.load(golden.directory(), on.device(), on.dtype())) {
                float[] before = GoldenModel.logProbs(model, golden.ids(0));
                Map<String, float[]> weights = weights(model.parameters());
                model.addAdapter(new LoraConfig(5, 7, new LoraTargets.AllLinear(), false, Map.of(), Map.of()), null, 3);
                assertThat(GoldenModel.logProbs(model, golden.ids(0))).as(name).isEqualTo(before);
                accumulate(model, golden, true);
                assertThat(weights(model.parameters()))
                        .as(name)
                        .usingRecursiveComparison()
                        .isEqualTo(weights);
                Parameters trained = model.trained();
                for (ParameterTensor tensor : trained.tensors()) {
                    double max = GoldenModel.max(trained.readGradient(tensor));
                    assertThat(max > 0) // with B = 0 the gradient of A is 0
                            .as("%s %s", name, tensor.name())
                            .isEqualTo(tensor.name().endsWith("lora_B.weight"));
                }
            }
        }
    }

    /** Bits of the matrices, and what PEFT needs to know of them. */
    @OnEachDevice
    void aSavedAdapterIsTheLoadedOne(On on) {
        onEachAdapter(on, (golden, model) -> {
            Path saved = directory.resolve("saved-" + golden.name());
            model.save(saved, DType.F32);
            assertThat(saved.toFile().list())
                    .containsExactlyInAnyOrder("adapter_config.json", "adapter_model.safetensors");
            Map<String, float[]> expected =
                    TestFiles.floatTensors(adapter(golden).resolve("adapter_model.safetensors"));
            Map<String, float[]> actual = TestFiles.floatTensors(saved.resolve("adapter_model.safetensors"));
            assertThat(actual.keySet()).isEqualTo(expected.keySet());
            expected.forEach((tensor, values) ->
                    assertThat(actual.get(tensor)).as(tensor).isEqualTo(values));
            assertThat(TestFiles.json(saved.resolve("adapter_config.json")))
                    .isEqualTo(TestFiles.json(directory.resolve(golden.name()).resolve("adapter_config.json")));
        });
    }

    /**
     * W + scale B A is rounded once for each weight, and the products of the adapter are not rounded to h. Both are fp32
     * roundings of numbers below 30 times the max logit, which 1e-4 of it covers with the sums over at most 96 elements.
     */
    @OnEachDevice
    void aMergedModelHasTheLogitsOfTheAdapter(On on) {
        onEachAdapter(on, (golden, model) -> {
            float[] before = GoldenModel.logProbs(model, golden.ids(0));
            model.mergeAdapter();
            assertThat(model.adapter()).isNull();
            float[] merged = GoldenModel.logProbs(model, golden.ids(0));
            double max = GoldenModel.max(before);
            for (int i = 0; i < before.length; i++) {
                assertThat((double) merged[i]).as("%s %d", golden.name(), i).isCloseTo(before[i], within(1e-4 * max));
            }
        });
    }

    static Path adapter(GoldenModel golden) {
        return TestFiles.golden("adapters").resolve(golden.name());
    }

    /** Adds the gradient of the golden loss, and returns the log-probs of the completions' tokens. */
    private static float[] accumulate(Model model, GoldenModel golden, boolean isPrefixShared) {
        PackedBatch batch = PackedBatch.pairs(
                List.of(golden.pair()),
                new PairLayout(isPrefixShared, model.architecture().shortLength()));
        try (TrainingModel training = new TrainingModel(model, new TrainingModel.Options(CompletionSums.PLAIN));
                GivenGradient loss = new GivenGradient(model.device(), 2, batch.tokens(), 2)) {
            loss.accumulate(training, batch, golden.weights());
            return loss.tokens();
        }
    }

    private static Map<String, float[]> weights(Parameters parameters) {
        Map<String, float[]> weights = new TreeMap<>();
        parameters.tensors().forEach(tensor -> weights.put(tensor.name(), parameters.readWeights(tensor)));
        return weights;
    }

    /** Loads each adapter from a copy whose config names the base model by its path. */
    private void onEachAdapter(On on, BiConsumer<GoldenModel, Model> test) {
        for (String name : names()) {
            GoldenModel golden = GoldenModel.read(FamilyTest.golden(name));
            Path copy = directory.resolve(name);
            copy(golden, copy);
            try (Model model = Model.load(copy, on.device(), on.dtype())) {
                test.accept(golden, model);
            }
        }
    }

    private static List<String> names() {
        try (Stream<Path> all = Files.list(TestFiles.golden("adapters"))) {
            return all.map(path -> path.getFileName().toString()).sorted().toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void copy(GoldenModel golden, Path copy) {
        try {
            Files.createDirectories(copy);
            ObjectNode config = JsonFile.read(adapter(golden).resolve("adapter_config.json"));
            config.put("base_model_name_or_path", golden.directory().toString());
            Files.deleteIfExists(copy.resolve("adapter_config.json"));
            JsonFile.write(copy.resolve("adapter_config.json"), config);
            Files.deleteIfExists(copy.resolve("adapter_model.safetensors"));
            Files.copy(adapter(golden).resolve("adapter_model.safetensors"), copy.resolve("adapter_model.safetensors"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
