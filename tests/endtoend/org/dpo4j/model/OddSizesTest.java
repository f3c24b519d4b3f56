package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.io.SafeTensorsHeader;
import org.dpo4j.kernels.DType;
import org.dpo4j.model.family.Families;
import org.dpo4j.model.family.ModelConfig;
import org.junit.jupiter.api.io.TempDir;

/** Models whose sizes are padded in memory. GradientTest compares one of them, llama-odd, with PyTorch. */
class OddSizesTest {
    private static final Path ODD = TestFiles.golden("llama-odd");

    @TempDir
    Path directory;

    /** Vocabulary, hidden size, inner size, heads, key heads, head width. */
    private static ModelConfig config(Object... sizes) {
        String json = """
            {"model_type": "llama", "vocab_size": %d, "hidden_size": %d, "intermediate_size": %d, "num_hidden_layers": 2,
             "num_attention_heads": %d, "num_key_value_heads": %d, "head_dim": %d, "initializer_range": 0.3}
            """.formatted(sizes);
        return Families.read((ObjectNode) TestFiles.json(json), "config.json");
    }

    /**
     * Sums of up to four log-probs of magnitude 10 have some 200 fp32 roundings of 6e-8 relative: 1e-4 if all have the
     * same sign.
     */
    @OnEachDevice
    void logProbsAreThoseOfTheDoublePrecisionModel(On on) {
        Integer[][] allSizes = {
            {5, 1, 1, 1, 1, 2},
            {17, 9, 5, 3, 3, 2},
            {33, 40, 20, 2, 1, 100},
            {29, 30, 12, 5, 5, 62},
            {7, 24, 9, 6, 2, 250},
            {7, 18, 8, 3, 1, 256}
        };
        List<Sequence> sequences = List.of(
                new Sequence(0, new int[] {4}, new int[] {1}),
                new Sequence(0, new int[] {2, 0, 3}, new int[] {4, 4, 1, 0}),
                new Sequence(0, new int[] {1, 1}, new int[] {2, 3}));
        for (Integer[] sizes : allSizes) {
            try (Model model = Model.create(config((Object[]) sizes), on.device(), DType.F32, 7);
                    ScoringModel scoring = new ScoringModel(model, CompletionSums.PLAIN)) {
                long sums = scoring.forward(PackedBatch.sequences(sequences)).sums();
                float[] actual = on.device().downloadFloats(sums, sequences.size());
                ReferenceLlama reference = ReferenceLlama.of(model);
                for (int i = 0; i < actual.length; i++) {
                    Sequence sequence = sequences.get(i);
                    double expected = reference.sum(sequence.prompt(), sequence.completion());
                    assertThat((double) actual[i])
                            .as("%s, sequence %d", model.architecture(), i)
                            .isCloseTo(expected, within(1e-4 * Math.max(1, Math.abs(expected))));
                }
            }
        }
    }

    /** So the gradient norm, which reads the padding, is that of the model. */
    @OnEachDevice
    void theGradientOfThePaddingIsZero(On on) {
        try (Model model = Model.load(ODD, on.device(), DType.F32)) {
            List<PreferencePair> pairs =
                    TestPairs.read(TestFiles.json(ODD.resolve("golden.json")).get("pairs"));
            PairStep.Input input = new PairStep.Input(pairs, new float[2 * pairs.size()], 0.1);
            int inTensors = 0;
            for (float[] gradient :
                    input.run(model, PairStep.Head.DEFAULT).gradients().values()) {
                inTensors += nonZeros(gradient);
            }
            Parameters parameters = model.parameters();
            float[] all = on.device().downloadFloats(parameters.gradients(), (int) parameters.count());
            assertThat(inTensors).isPositive().isEqualTo(nonZeros(all));
        }
    }

    private static int nonZeros(float[] values) {
        int count = 0;
        for (float value : values) {
            count += value == 0 ? 0 : 1;
        }
        return count;
    }

    @OnEachDevice
    void aSaveHasTheTensorsOfTheFile(On on) {
        try (Model model = Model.load(ODD, on.device(), DType.F32)) {
            assertThat(model.parameters().parameterCount())
                    .isEqualTo(tensors(ODD).values().stream()
                            .mapToLong(tensor -> tensor.remaining() / DType.BF16.bytes())
                            .sum());
            model.save(directory, DType.BF16); // as the file
        }
        assertThat(tensors(directory)).isEqualTo(tensors(ODD));
    }

    /** The bytes of each tensor, by its name and shape. */
    private static Map<String, ByteBuffer> tensors(Path directory) {
        Map<String, ByteBuffer> tensors = new TreeMap<>();
        try (SafeTensors file = SafeTensors.open(directory.resolve("model.safetensors"))) {
            for (SafeTensorsHeader.Entry entry : file.entries().values()) {
                ByteBuffer bytes = ByteBuffer.allocate((int) (entry.end() - entry.begin()));
                file.read(entry, 0, bytes);
                tensors.put(entry.name() + " " + entry.shape(), bytes.flip());
            }
        }
        return tensors;
    }
}
