package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.DType;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;

/**
 * The first pass of a step overwrites the gradients of matrices, and later passes add to them. The result has the bits of passes that
 * add to zeros.
 */
class WeightGradientsTest {
    /** With few rows of logits, a pass has several chunks, or four products. */
    private static final long FEW_LOGITS = 4L * 40 * 9;

    /** Each bit set: NaN. */
    private static final int NAN = 0xFF;

    private static final int[][] STEP = {{20, 30, 8}, {31, 32, 27}, {6, 5, 4}};

    private static final ModelConfig TIED = Llama.config(37, 16, 24, 2, 2, 1, 64, true);
    private static final ModelConfig UNTIED = Llama.config(37, 20, 23, 2, 2, 1, 64, false);

    /** Also learned positions and LayerNorm with biases, and two branches on one input. */
    private static final List<ModelConfig> CONFIGS = List.of(TIED, UNTIED, GptConfigs.GPT2, GptConfigs.NEOX);

    private static PackedBatch batch(int... lengths) {
        Random random = new Random(lengths[0]);
        List<Sequence> sequences = new ArrayList<>();
        for (int length : lengths) {
            int completion = Math.min(length - 1, 5);
            sequences.add(new Sequence(
                    0,
                    random.ints(length - completion, 0, 37).toArray(),
                    random.ints(completion, 0, 37).toArray()));
        }
        return PackedBatch.sequences(sequences);
    }

    /** The passes of a step, of three micro-batches. */
    private static void accumulate(TrainingModel training, GivenGradient loss) {
        for (int[] lengths : STEP) {
            loss.accumulate(training, batch(lengths), 0.5f, -0.25f, 1);
        }
    }

    private static float[] all(Model model) {
        Parameters trained = model.trained();
        return model.device().downloadFloats(trained.gradients(), Math.toIntExact(trained.count()));
    }

    private static float[] addedToZeros(Model model, TrainingModel training, GivenGradient loss) {
        WeightGradients gradients = model.trained().weightGradients();
        gradients.zero();
        gradients.endPass();
        assertThat(gradients.areEmpty()).isFalse();
        accumulate(training, loss);
        return all(model);
    }

    /** After a step whose gradients were NaN, as after one that was skipped. */
    private static float[] overwritten(Model model, TrainingModel training, GivenGradient loss) {
        Parameters trained = model.trained();
        for (ParameterRange range : trained.ranges()) {
            model.device().fill(trained.gradients() + 4 * range.begin(), NAN, 4 * (range.end() - range.begin()));
        }
        trained.zeroSums();
        trained.beginStep();
        accumulate(training, loss);
        return all(model);
    }

    /** Launched, in groups of one completion and of all; and as graphs, which are replayed in the third step. */
    private static void assertSame(Model model, String what) {
        assertSame(model, what, 1, false);
        assertSame(model, what, CompletionLoss.WHOLE_BATCH, false);
        if (model.device().supportsGraphs()) {
            assertSame(model, what, 1, true);
        }
    }

    private static void assertSame(Model model, String what, int group, boolean graphs) {
        try (TrainingModel training =
                        new TrainingModel(model, new TrainingModel.Options(CompletionSums.PLAIN, FEW_LOGITS, graphs));
                GivenGradient loss = new GivenGradient(model.device(), 3, 15, group)) {
            float[] expected = addedToZeros(model, training, loss);
            for (int step = 0; step < (graphs ? 3 : 1); step++) {
                assertThat(overwritten(model, training, loss))
                        .as("%s, groups of %d, graphs %s, step %d", what, group, graphs, step)
                        .isEqualTo(expected);
            }
            assertThat(addedToZeros(model, training, loss)).as(what).isEqualTo(expected);
        }
    }

    /** Which product overwrites does not depend on the dtype, so only one model runs in bf16 in all ways. */
    @OnEachDType
    void theBitsAreThoseOfAddingToZeros(On on) {
        for (ModelConfig config : CONFIGS) {
            try (Model model = Model.create(config, on.device(), on.dtype(), 3)) {
                if (on.dtype() == DType.F32 || config == UNTIED) {
                    assertSame(model, config.modelType());
                } else {
                    assertSame(model, config.modelType(), 1, false);
                }
            }
        }
    }

    /** With a frozen head. The gradients of all matrices of the adapter are products. */
    @OnEachDType
    void theBitsOfAdaptersAreThoseOfAddingToZeros(On on) {
        try (Model model = Model.create(TIED, on.device(), on.dtype(), 3)) {
            model.addAdapter(new LoraConfig(3, 6, new LoraTargets.AllLinear(), false, Map.of(), Map.of()), null, 1);
            assertThat(model.trained().layout().summedRanges()).isEmpty();
            assertSame(model, "adapter");
        }
    }

    /** What a step fills with zeros: vectors, and an embedding table that is not the head. By hand, from the sizes. */
    @OnEachDType
    void onlySumsAreZeroed(On on) {
        int vectors = 5 * 128; // norms of 16 elements, each in a place of 128
        assertThat(zeroed(on, TIED)).isEqualTo(vectors);
        int table = 37 * 24; // 20 columns are padded
        assertThat(zeroed(on, UNTIED)).isEqualTo(vectors + table);
    }

    private static long zeroed(On on, ModelConfig config) {
        try (Model model = Model.planned(config, on.device(), on.dtype(), null)) {
            return model.parameters().layout().summedRanges().stream()
                    .mapToLong(range -> range.end() - range.begin())
                    .sum();
        }
    }

    /** Gradients that count as 0 are read as 0. */
    @OnEachDType
    void gradientsOfAnEarlierStepAreReadAsZeros(On on) {
        try (Model model = Model.create(TIED, on.device(), on.dtype(), 3);
                TrainingModel training = new TrainingModel(model, new TrainingModel.Options(CompletionSums.PLAIN));
                GivenGradient loss = new GivenGradient(on.device(), 3, 15, 1)) {
            Parameters trained = model.trained();
            accumulate(training, loss);
            ParameterTensor first = trained.tensors().get(0);
            assertThat(trained.readGradient(first)).isNotEqualTo(new float[(int) first.count()]);
            trained.zeroSums();
            trained.beginStep();
            assertThat(trained.readGradient(first)).isEqualTo(new float[(int) first.count()]);
            assertThat(trained.weightGradients().areEmpty()).isTrue();
        }
    }
}
