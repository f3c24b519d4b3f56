package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.io.SafeTensorsHeader;
import org.dpo4j.kernels.DType;

/**
 * Log-probs, loss and the gradient of every parameter of tiny Llamas: PyTorch's, and finite differences of a
 * double-precision one.
 */
class GradientTest {
    private static final List<String> MODELS = List.of("llama-tiny", "llama-tiny-untied");

    /** The head takes the batch whole, in two parts, in parts of which some do not fit, and computes all logits twice. */
    private static final List<PairStep.Head> HEADS = List.of(
            PairStep.Head.DEFAULT,
            new PairStep.Head(14, 2),
            new PairStep.Head(4, 2),
            new PairStep.Head(4, CompletionLoss.WHOLE_BATCH));

    /** A directory of tests/golden: pairs and what PyTorch made of them. */
    private record Golden(Path directory, JsonNode json, List<PreferencePair> pairs, float[] reference, double beta) {
        static Golden read(String name) {
            Path directory = TestFiles.golden(name);
            JsonNode json = TestFiles.json(directory.resolve("golden.json"));
            List<PreferencePair> pairs = new ArrayList<>();
            float[] reference = new float[2 * json.get("pairs").size()];
            for (JsonNode pair : json.get("pairs")) {
                reference[2 * pairs.size()] = pair.get("reference_chosen_logps").floatValue();
                reference[2 * pairs.size() + 1] =
                        pair.get("reference_rejected_logps").floatValue();
                pairs.add(new PreferencePair(
                        0,
                        TestFiles.ints(pair.get("prompt_ids")),
                        TestFiles.ints(pair.get("chosen_ids")),
                        TestFiles.ints(pair.get("rejected_ids"))));
            }
            return new Golden(
                    directory, json, pairs, reference, json.get("beta").doubleValue());
        }

        PairStep run(Model model, PairStep.Head head) {
            return PairStep.run(model, pairs, true, reference, beta, head);
        }

        PairStep run(Model model, boolean sharePrefix) {
            return PairStep.run(model, pairs, sharePrefix, reference, beta);
        }
    }

    @OnEachDevice
    void pyTorchsLogProbsAndLoss(On on) {
        for (String name : MODELS) {
            Golden golden = Golden.read(name);
            try (Model model = Model.load(golden.directory, on.device(), DType.F32)) {
                PairStep step = golden.run(model, true);
                int token = 0;
                int pairIndex = 0;
                // Log-probs of size 10 after some 50 fp32 roundings of 6e-8: 3e-5 if all point one way.
                for (JsonNode pair : golden.json.get("pairs")) {
                    for (String side : List.of("chosen", "rejected")) {
                        for (double expected : TestFiles.doubles(pair.get(side + "_token_logps"))) {
                            assertThat((double) step.tokens()[token++]).isCloseTo(expected, within(3e-5));
                        }
                    }
                    // beta times the difference of sums of at most 9 such values
                    assertThat((double) step.losses()[pairIndex++])
                            .isCloseTo(pair.get("loss").doubleValue(), within(golden.beta * 14 * 3e-5));
                }
                assertThat(token).isEqualTo(step.tokens().length);
            }
        }
    }

    /**
     * fp32 roundings leave 1e-6 of a tensor's norm; a wrong term in one of ten places leaves 1e-2: 1e-4 lies between.
     * In bf16 a logit of size 10 has ten roundings of 2^-9 behind it, 10 * 2^-9 * sqrt(10) = 6e-2; the softmax, and all
     * gradients with it, is off by that factor: 1e-1.
     */
    @OnEachDType
    void pyTorchsGradients(On on) {
        for (String name : MODELS) {
            Golden golden = Golden.read(name);
            Map<String, double[]> expected = readGradients(golden.directory.resolve("gradients.safetensors"));
            double tolerance = on.dtype() == DType.F32 ? 1e-4 : 1e-1;
            try (Model model = Model.load(golden.directory, on.device(), on.dtype())) {
                for (PairStep.Head head : HEADS) {
                    Map<String, float[]> actual = golden.run(model, head).gradients();
                    assertThat(actual.keySet()).as(name).isEqualTo(expected.keySet());
                    actual.forEach((tensor, gradient) -> assertThat(relativeError(gradient, of(expected, tensor)))
                            .as("%s %s, %s", name, tensor, head)
                            .isLessThan(tolerance));
                }
            }
        }
    }

    /**
     * Central differences of the double-precision loss with step h = 1e-5: truncation h^2 f''' / 6 = 2e-11 and
     * cancellation 1e-16 / h = 1e-11, both below what fp32 leaves in the gradient under test: 1e-4 of its tensor's
     * largest element at most, as above.
     */
    @OnEachDevice
    void finiteDifferences(On on) {
        for (String name : MODELS) {
            Golden golden = Golden.read(name);
            try (Model model = Model.load(golden.directory, on.device(), DType.F32)) {
                Map<String, float[]> gradients = golden.run(model, true).gradients();
                ReferenceLlama reference = ReferenceLlama.of(model);
                Random random = new Random(7);
                gradients.forEach((tensor, gradient) -> {
                    double largest = 0;
                    for (float value : gradient) {
                        largest = Math.max(largest, Math.abs(value));
                    }
                    assertThat(largest).as(tensor).isPositive();
                    for (int sample = 0; sample < 6; sample++) {
                        int i = random.nextInt(gradient.length);
                        assertThat((double) gradient[i])
                                .as("%s %s[%d]", name, tensor, i)
                                .isCloseTo(
                                        difference(reference, golden, reference.weight(tensor), i),
                                        within(1e-4 * largest));
                    }
                });
            }
        }
    }

    private static double difference(ReferenceLlama llama, Golden golden, double[] weights, int i) {
        double h = 1e-5;
        double kept = weights[i];
        weights[i] = kept + h;
        double above = loss(llama, golden);
        weights[i] = kept - h;
        double below = loss(llama, golden);
        weights[i] = kept;
        return (above - below) / (2 * h);
    }

    /** Mean of -log sigmoid(beta ((pi_c - ref_c) - (pi_r - ref_r))). */
    private static double loss(ReferenceLlama llama, Golden golden) {
        double total = 0;
        for (int i = 0; i < golden.pairs.size(); i++) {
            PreferencePair pair = golden.pairs.get(i);
            double chosen = llama.sum(pair.prompt(), pair.chosen()) - golden.reference[2 * i];
            double rejected = llama.sum(pair.prompt(), pair.rejected()) - golden.reference[2 * i + 1];
            total += Math.log1p(Math.exp(-golden.beta * (chosen - rejected)));
        }
        return total / golden.pairs.size();
    }

    /**
     * The same sums in another order, each within some 2^-24 * sqrt(terms) of the truth: 1e-6 relative, so 1e-5 has
     * room.
     */
    @OnEachDevice
    void aSharedPromptChangesNothing(On on) {
        for (String name : MODELS) {
            Golden golden = Golden.read(name);
            try (Model model = Model.load(golden.directory, on.device(), DType.F32)) {
                PairStep shared = golden.run(model, true);
                PairStep plain = golden.run(model, false);
                for (int i = 0; i < shared.losses().length; i++) {
                    assertThat(shared.losses()[i]).isCloseTo(plain.losses()[i], within(1e-5f));
                }
                shared.gradients().forEach((tensor, gradient) -> {
                    double[] other = doubles(of(plain.gradients(), tensor));
                    assertThat(relativeError(gradient, other))
                            .as("%s %s", name, tensor)
                            .isLessThan(1e-5);
                });
            }
        }
    }

    @OnEachDevice
    void twoRunsLeaveTheSameBits(On on) {
        Golden golden = Golden.read("llama-tiny");
        try (Model model = Model.load(golden.directory, on.device(), DType.F32)) {
            PairStep first = golden.run(model, true);
            PairStep second = golden.run(model, true);
            assertThat(first.tokens()).isEqualTo(second.tokens());
            first.gradients()
                    .forEach((tensor, gradient) -> assertThat(gradient)
                            .as(tensor)
                            .isEqualTo(second.gradients().get(tensor)));
        }
    }

    /** Gradients add up: two passes leave twice one pass's, and doubling is exact but for the order of one addition. */
    @OnEachDevice
    void gradientsAccumulate(On on) {
        Golden golden = Golden.read("llama-tiny-untied");
        try (Model model = Model.load(golden.directory, on.device(), DType.F32)) {
            Map<String, float[]> once = golden.run(model, true).gradients();
            Map<String, float[]> twice = PairStep.runTwice(model, golden.pairs, golden.reference, golden.beta)
                    .gradients();
            once.forEach((tensor, gradient) -> {
                double[] doubled = doubles(gradient);
                for (int i = 0; i < doubled.length; i++) {
                    doubled[i] *= 2;
                }
                assertThat(relativeError(of(twice, tensor), doubled)).as(tensor).isLessThan(1e-6);
            });
        }
    }

    private static Map<String, double[]> readGradients(Path file) {
        Map<String, double[]> gradients = new HashMap<>();
        try (SafeTensors tensors = SafeTensors.open(file)) {
            for (SafeTensorsHeader.Entry entry : tensors.entries().values()) {
                ByteBuffer bytes =
                        ByteBuffer.allocate((int) (entry.end() - entry.begin())).order(ByteOrder.LITTLE_ENDIAN);
                tensors.read(entry, 0, bytes);
                float[] values = new float[bytes.flip().remaining() / 4];
                bytes.asFloatBuffer().get(values);
                gradients.put(entry.name(), doubles(values));
            }
        }
        return gradients;
    }

    private static <T> T of(Map<String, T> tensors, String name) {
        return Objects.requireNonNull(tensors.get(name), name);
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
