package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.dpo4j.model.PairStep.get;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.BiConsumer;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.model.PairStep.Head;

/** Log-probs, loss and the gradient of every parameter of tiny Llamas, against PyTorch and finite differences. */
class GradientTest {
    private static final List<String> MODELS = List.of("llama-tiny", "llama-tiny-untied", "llama-odd");

    /** The whole batch in one chunk; two chunks; chunks of which some do not fit; all logits computed twice. */
    private static final List<Head> HEADS =
            List.of(Head.DEFAULT, new Head(14, 2), new Head(4, 2), new Head(4, CompletionLoss.WHOLE_BATCH));

    /** A directory of tests/golden: a model, pairs, and PyTorch's results. */
    private record Golden(String name, Path directory, JsonNode json, PairStep.Input input) {
        static Golden read(String name) {
            Path directory = TestFiles.golden(name);
            JsonNode json = TestFiles.json(directory.resolve("golden.json"));
            float[] reference = new float[2 * json.get("pairs").size()];
            int completion = 0;
            for (JsonNode pair : json.get("pairs")) {
                reference[completion++] = pair.get("reference_chosen_logps").floatValue();
                reference[completion++] = pair.get("reference_rejected_logps").floatValue();
            }
            List<PreferencePair> pairs = TestPairs.read(json.get("pairs"));
            return new Golden(
                    name,
                    directory,
                    json,
                    new PairStep.Input(pairs, reference, json.get("beta").doubleValue()));
        }

        PairStep run(Model model, boolean sharePrefix, int passes) {
            return PairStep.run(model, input, PackedBatch.pairs(input.pairs(), sharePrefix), Head.DEFAULT, passes);
        }

        PairStep run(Model model) {
            return input.run(model, Head.DEFAULT);
        }
    }

    private static void onEachModel(On on, BiConsumer<Golden, Model> test) {
        for (String name : MODELS) {
            Golden golden = Golden.read(name);
            try (Model model = Model.load(golden.directory, on.device(), on.dtype())) {
                test.accept(golden, model);
            }
        }
    }

    @OnEachDevice
    void logProbsAndLossArePyTorchs(On on) {
        onEachModel(on, (golden, model) -> {
            PairStep step = golden.run(model);
            int token = 0;
            int pairIndex = 0;
            // Log-probs of magnitude 10 have about 50 fp32 roundings of 6e-8: 3e-5 if all have the same sign.
            for (JsonNode pair : golden.json.get("pairs")) {
                for (String side : List.of("chosen", "rejected")) {
                    for (double expected : TestFiles.doubles(pair.get(side + "_token_logps"))) {
                        assertThat((double) step.tokens()[token++]).isCloseTo(expected, within(3e-5));
                    }
                }
                // beta times the difference of sums of at most 9 such values
                assertThat((double) step.losses()[pairIndex++])
                        .isCloseTo(pair.get("loss").doubleValue(), within(golden.input.beta() * 14 * 3e-5));
            }
            assertThat(token).isEqualTo(step.tokens().length);
        });
    }

    /**
     * Relative to a tensor's norm, fp32 rounding causes an error of 1e-6, and one wrong term in ten an error of 1e-2.
     * The tolerance in fp32, 1e-4, is between them. In bf16, ten roundings of 2^-9 each give a logit of magnitude 10
     * an absolute error of 10 * 2^-9 * sqrt(10) = 6e-2. The softmax, and so every gradient, has this as its relative
     * error. The tolerance in bf16 is 1e-1.
     */
    @OnEachDType
    void gradientsArePyTorchs(On on) {
        onEachModel(on, (golden, model) -> {
            Map<String, double[]> expected = readGradients(golden.directory.resolve("gradients.safetensors"));
            double tolerance = on.dtype() == DType.F32 ? 1e-4 : 1e-1;
            for (Head head : HEADS) {
                Map<String, float[]> actual = golden.input.run(model, head).gradients();
                assertThat(actual.keySet()).as(golden.name).isEqualTo(expected.keySet());
                actual.forEach((tensor, gradient) -> assertThat(relativeError(gradient, get(expected, tensor)))
                        .as("%s %s, %s", golden.name, tensor, head)
                        .isLessThan(tolerance));
            }
        });
    }

    /**
     * Central differences of the double-precision loss with step h = 1e-5: truncation h^2 f''' / 6 = 2e-11 and
     * cancellation 1e-16 / h = 1e-11. Both are below the fp32 error of the gradient under test, which is at most 1e-4 of
     * the largest element of its tensor, as above.
     */
    @OnEachDevice
    void gradientsAreFiniteDifferences(On on) {
        onEachModel(on, (golden, model) -> {
            ReferenceLlama reference = ReferenceLlama.of(model);
            Random random = new Random(7);
            golden.run(model).gradients().forEach((tensor, gradient) -> {
                double max = 0;
                for (float value : gradient) {
                    max = Math.max(max, Math.abs(value));
                }
                assertThat(max).as(tensor).isPositive();
                for (int sample = 0; sample < 6; sample++) {
                    int i = random.nextInt(gradient.length);
                    assertThat((double) gradient[i])
                            .as("%s %s[%d]", golden.name, tensor, i)
                            .isCloseTo(
                                    difference(reference, golden.input, reference.weight(tensor), i),
                                    within(1e-4 * max));
                }
            });
        });
    }

    private static double difference(ReferenceLlama llama, PairStep.Input input, double[] weights, int i) {
        double h = 1e-5;
        double kept = weights[i];
        weights[i] = kept + h;
        double above = loss(llama, input);
        weights[i] = kept - h;
        double below = loss(llama, input);
        weights[i] = kept;
        return (above - below) / (2 * h);
    }

    /** Mean of -log sigmoid(beta ((pi_c - ref_c) - (pi_r - ref_r))). */
    private static double loss(ReferenceLlama llama, PairStep.Input input) {
        double total = 0;
        for (int i = 0; i < input.pairs().size(); i++) {
            PreferencePair pair = input.pairs().get(i);
            double chosen = llama.sum(pair.prompt(), pair.chosen()) - input.reference()[2 * i];
            double rejected = llama.sum(pair.prompt(), pair.rejected()) - input.reference()[2 * i + 1];
            total += Math.log1p(Math.exp(-input.beta() * (chosen - rejected)));
        }
        return total / input.pairs().size();
    }

    /**
     * Both layouts add the same terms in different orders. fp32 rounding gives a sum a relative error of about 2^-24 *
     * sqrt(terms) = 1e-6. The tolerance is 1e-5.
     */
    @OnEachDevice
    void aSharedPromptChangesNothing(On on) {
        onEachModel(on, (golden, model) -> {
            PairStep shared = golden.run(model);
            PairStep plain = golden.run(model, false, 1);
            for (int i = 0; i < shared.losses().length; i++) {
                assertThat(shared.losses()[i]).isCloseTo(plain.losses()[i], within(1e-5f));
            }
            shared.gradients()
                    .forEach((tensor, gradient) -> assertThat(
                                    relativeError(gradient, doubles(get(plain.gradients(), tensor))))
                            .as("%s %s", golden.name, tensor)
                            .isLessThan(1e-5));
        });
    }

    @OnEachDevice
    void twoRunsHaveTheSameBits(On on) {
        Golden golden = Golden.read("llama-tiny");
        try (Model model = Model.load(golden.directory, on.device(), DType.F32)) {
            PairStep first = golden.run(model);
            PairStep second = golden.run(model);
            assertThat(first.tokens()).isEqualTo(second.tokens());
            first.gradients()
                    .forEach((tensor, gradient) -> assertThat(gradient)
                            .as(tensor)
                            .isEqualTo(second.gradients().get(tensor)));
        }
    }

    /** Gradients add up: two passes leave twice those of one pass. Doubling is exact, but one addition has another order. */
    @OnEachDevice
    void gradientsAccumulate(On on) {
        Golden golden = Golden.read("llama-tiny-untied");
        try (Model model = Model.load(golden.directory, on.device(), DType.F32)) {
            Map<String, float[]> once = golden.run(model).gradients();
            Map<String, float[]> twice = golden.run(model, true, 2).gradients();
            once.forEach((tensor, gradient) -> {
                double[] doubled =
                        Arrays.stream(doubles(gradient)).map(value -> 2 * value).toArray();
                assertThat(relativeError(get(twice, tensor), doubled))
                        .as(tensor)
                        .isLessThan(1e-6);
            });
        }
    }

    private static Map<String, double[]> readGradients(Path file) {
        Map<String, double[]> gradients = new HashMap<>();
        TestFiles.floatTensors(file).forEach((name, values) -> gradients.put(name, doubles(values)));
        return gradients;
    }

    static double[] doubles(float[] values) {
        double[] exact = new double[values.length];
        for (int i = 0; i < exact.length; i++) {
            exact[i] = values[i];
        }
        return exact;
    }

    /** ||actual - expected|| / ||expected||, Euclidean. */
    static double relativeError(float[] actual, double[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        double difference = 0;
        double size = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
            size += expected[i] * expected[i];
        }
        return Math.sqrt(difference / size);
    }
}
