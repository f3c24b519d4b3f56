package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.model.family.ParameterKind;
import org.dpo4j.testkit.ReferencePhilox;
import org.junit.jupiter.api.Test;

/**
 * A pass with noise has the bits of a pass without noise over an embedding table to which the noise was added. Each row
 * of the batch has a token of its own, so the table has a row for each row of the batch.
 */
class EmbeddingNoiseTest {
    /** Rows of the table have 16 columns. The head has its own weights, which have no noise. */
    private static final int HIDDEN = 12;

    private static final int COLUMNS = 16;
    private static final ModelConfig CONFIG = Llama.config(64, HIDDEN, 24, 2, 2, 1, 64, false);
    private static final int SEED_LOW = 0x9abcdef0;
    private static final int SEED_HIGH = 0x12345678;
    private static final long SEED = 0x123456789abcdef0L;

    /** With it, the noise in sequences of 3 and 12 tokens is within 1 and 1/2: its products are exact. */
    private static final double ALPHA = 6;

    /** Prompts of 1 and 4 tokens. The sequences have 12 and 3 tokens, and 12 and 12. */
    private static final List<PreferencePair> PAIRS = List.of(
            new PreferencePair(0, ids(1, 2), ids(2, 13), ids(20, 22)),
            new PreferencePair(1, ids(22, 26), ids(26, 34), ids(40, 48)));

    private static final int[] SEQUENCES = {14, 15, 6, 7};

    /** Rows of the decoder, in the order of their tokens from {@code token} on, of a sequence of {@code length} tokens. */
    private record Rows(int token, int count, int sequence, int position, int length) {
        void addNoise(float[] table, int step) {
            double scale = ALPHA / Math.sqrt(length * HIDDEN);
            for (int i = 0; i < count; i++) {
                for (int column = 0; column < HIDDEN; column++) {
                    int[] words = ReferencePhilox.bits(
                            new int[] {column / 4, position + i, sequence, step}, new int[] {SEED_LOW, SEED_HIGH});
                    double uniform = (2L * (words[column % 4] >>> 9) + 1) * 0x1p-23 - 1;
                    table[(token + i) * COLUMNS + column] += (float) (scale * uniform);
                }
            }
        }
    }

    /** The prompt belongs to the chosen sequence; its length is that of the longer one. */
    private static final List<Rows> ROWS = List.of(
            new Rows(1, 11, 14, 0, 12),
            new Rows(20, 1, 15, 1, 3),
            new Rows(22, 11, 6, 0, 12),
            new Rows(40, 7, 7, 4, 12));

    private static int[] ids(int begin, int end) {
        return IntStream.range(begin, end).toArray();
    }

    /** Log-probs of tokens and all gradients of a pass. */
    private static float[][] pass(TrainingModel training, int step) {
        Device device = training.model().device();
        Parameters parameters = training.model().parameters();
        try (GivenGradient loss = new GivenGradient(device, 4, 29, 1)) {
            parameters.zeroGradients();
            PackedBatch batch = PackedBatch.pairs(PAIRS, true);
            loss.accumulate(training, batch, new EmbeddingNoise.Key(step, SEQUENCES), 0.5f, -0.25f, 1, -2);
            return new float[][] {
                loss.tokens(), device.downloadFloats(parameters.gradients(), Math.toIntExact(parameters.count()))
            };
        }
    }

    /** On a device with graphs, the third pass launches the graph of the second, with the noise of its own step. */
    @OnEachDevice
    void addsTheNoiseOfTheFormula(On on) {
        Device device = on.device();
        boolean hasGraphs = device.supportsGraphs();
        long logits = TrainingModel.Options.DEFAULT_LOGITS_BYTES;
        EmbeddingNoise noise = new EmbeddingNoise(ALPHA, SEED);
        try (Model model = Model.create(CONFIG, device, DType.F32, 3);
                TrainingModel noisy = new TrainingModel(
                        model, new TrainingModel.Options(CompletionSums.PLAIN, logits, hasGraphs, noise, false));
                TrainingModel plain = new TrainingModel(model, new TrainingModel.Options(CompletionSums.PLAIN))) {
            Parameters parameters = model.parameters();
            long address = parameters.weight(model.weights().layout().parameter(ParameterKind.EMBEDDING));
            float[] table = device.downloadFloats(address, 64 * COLUMNS);
            float[] none = pass(plain, 0)[0];
            for (int step = 5; step < 8; step++) {
                float[][] found = pass(noisy, step);
                float[] changed = Arrays.copyOf(table, table.length);
                for (Rows rows : ROWS) {
                    rows.addNoise(changed, step);
                }
                device.upload(address, changed);
                float[][] expected = pass(plain, 0);
                device.upload(address, table);
                assertThat(found[0]).as("log-probs of step %d", step).isEqualTo(expected[0]);
                assertThat(found[1]).as("gradients of step %d", step).isEqualTo(expected[1]);
                assertThat(found[0]).isNotEqualTo(none);
            }
        }
    }

    @Test
    void aSegmentBelongsToTheSequenceOfItsCompletion() {
        PreferencePair oneToken = new PreferencePair(2, ids(1, 3), ids(3, 4), ids(4, 7));
        List<PreferencePair> pairs = List.of(oneToken, PAIRS.get(0));
        assertThat(PackedBatch.pairs(pairs, true).segmentCompletions()).containsExactly(0, 1, 2, 2, 3);
        assertThat(PackedBatch.pairs(pairs, false).segmentCompletions()).containsExactly(0, 1, 2, 3);
    }
}
