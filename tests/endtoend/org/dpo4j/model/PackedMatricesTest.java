package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.model.family.Llama;
import org.junit.jupiter.api.io.TempDir;

/** {@link Model#packMatrices}: the same tokens, and no use of the weights for anything else until they are unpacked. */
class PackedMatricesTest {
    private static final Generator.Options OPTIONS = new Generator.Options(12, 12, new Sampling(0.9), Set.of());
    private static final List<Generator.Request> REQUESTS =
            List.of(new Generator.Request(new int[] {1, 5, 9}, 3, 7), new Generator.Request(new int[] {2, 4}, 1, 8));

    /** Its matrices can be packed: rows are multiples of 16. */
    private static Model model(Device device, DType dtype) {
        return Model.create(Llama.config(40, 32, 48, 2, 4, 2, 32, false), device, dtype, 3);
    }

    @OnEachDevice
    void tokensAndLogProbsStayTheSame(On on) {
        for (DType dtype : DType.values()) {
            if (on.device().supports(dtype)) {
                tokensAndLogProbsStayTheSame(on.device(), dtype);
            }
        }
    }

    private static void tokensAndLogProbsStayTheSame(Device device, DType dtype) {
        try (Model model = model(device, dtype);
                Generator generator = new Generator(model)) {
            List<float[]> before = weights(model);
            List<List<int[]>> tokens = generator.generate(REQUESTS, OPTIONS);
            float[] logProbs = logProbs(model);
            model.packMatrices();
            model.packMatrices(); // once more does nothing
            List<List<int[]>> packed = generator.generate(REQUESTS, OPTIONS);
            for (int i = 0; i < tokens.size(); i++) {
                assertThat(packed.get(i)).containsExactlyElementsOf(tokens.get(i));
            }
            assertThat(logProbs(model)).isEqualTo(logProbs);
            model.unpackMatrices();
            assertThat(weights(model)).containsExactlyElementsOf(before);
        }
    }

    @OnEachDevice
    void otherUsesOfPackedWeightsAreRefused(On on, @TempDir Path directory) {
        try (Model model = model(on.device(), DType.F32)) {
            Parameters parameters = model.parameters();
            ParameterTensor first = parameters.tensors().get(0);
            model.packMatrices();
            if (!parameters.hasPanels(model.weights().layout().projections().get(0))) {
                weights(model);
                return;
            }
            List<Runnable> uses = List.of(
                    () -> model.save(directory.resolve("model"), DType.F32),
                    model::copy,
                    () -> parameters.readWeights(first),
                    () -> parameters.writeWeights(first, new float[(int) first.count()]),
                    parameters::weights,
                    () -> new TrainingModel(model, new TrainingModel.Options(CompletionSums.PLAIN)));
            uses.forEach(use -> assertRefused(use::run, "packed", "unpackMatrices"));
            assertThat(directory.resolve("model")).doesNotExist();
            model.unpackMatrices();
            model.save(directory.resolve("model"), DType.F32);
        }
    }

    /** The first logit that is not finite ends generation with the name of the weight, in a packed matrix or in an adapter. */
    @OnEachDevice
    void aWeightThatIsNotFiniteIsNamed(On on) {
        try (Model model = model(on.device(), DType.F32);
                Generator generator = new Generator(model)) {
            ParameterTensor down = model.parameters().tensor("model.layers.1.mlp.down_proj.weight");
            makeNan(model.parameters(), down);
            model.packMatrices();
            assertRefused(
                    () -> generator.generate(REQUESTS, OPTIONS),
                    "the model's weight " + down.name() + " is NaN at [0, 0]");
        }
        try (Model model = model(on.device(), DType.F32)) {
            model.addAdapter(new LoraConfig(2, 4, List.of("q_proj")), null, 1);
            ParameterTensor first = model.trained().tensors().get(0);
            makeNan(model.trained(), first);
            try (Generator generator = new Generator(model)) {
                assertRefused(
                        () -> generator.generate(REQUESTS, OPTIONS),
                        "the adapter's weight " + first.name() + " is NaN at [0, 0]");
            }
        }
    }

    private static void makeNan(Parameters parameters, ParameterTensor tensor) {
        float[] values = parameters.readWeights(tensor);
        values[0] = Float.NaN;
        parameters.writeWeights(tensor, values);
    }

    private static float[] logProbs(Model model) {
        int[] ids = {3, 1, 4, 1, 5};
        int[] rows = {0, 1, 2, 3, 4};
        int[] targets = {1, 4, 1, 5, 9};
        PackedBatch batch = new PackedBatch(
                ids, rows, List.of(Segment.plain(0, ids.length, 0)), rows, targets, new int[] {0, ids.length});
        try (ScoringModel scoring = new ScoringModel(model, CompletionSums.PLAIN)) {
            return model.device().downloadFloats(scoring.forward(batch).tokens(), ids.length);
        }
    }

    private static List<float[]> weights(Model model) {
        return model.parameters().tensors().stream()
                .map(model.parameters()::readWeights)
                .toList();
    }
}
