package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.Sequence;
import org.dpo4j.data.Shuffle;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.model.LogProbs;
import org.dpo4j.model.Model;
import org.junit.jupiter.api.Tag;

/** Optimizer steps on sequences. */
class SftStepsTest {

    /** Weights near 0 make all tokens about equally likely, so the loss is ln of the vocabulary size. */
    @OnEachDType
    void theFirstLossIsLnOfTheVocabularySize(On on) {
        TinyRun run = TinyRun.sft(on, TinyRun.sequences(6), options(6, 1));
        // a standard deviation of 0.02 over 16 columns moves a logit by 0.02 sqrt(16) = 0.08, and the mean loss by its
        // square
        assertThat(run.value(0, "loss"))
                .isCloseTo(Math.log(TinyRun.CONFIG.architecture().vocabSize()), within(0.05));
    }

    @OnEachDType
    @Tag("large")
    void theLossFalls(On on) {
        TrainOptions options = TinyRun.options().maxSteps(60).build().train();
        TinyRun run = TinyRun.sft(on, TinyRun.sequences(4), options);
        assertThat(run.last("loss")).isLessThan(0.5 * run.value(0, "loss"));
    }

    /** The mean is over tokens: short and long sequences in one micro-batch or in several. */
    @OnEachDevice
    void accumulationChangesNothing(On on) {
        TinyRun whole = TinyRun.sft(on, TinyRun.sequences(8), options(8, 1));
        for (TrainOptions options : List.of(options(1, 8), options(3, 3))) {
            TinyRun run = TinyRun.sft(on, TinyRun.sequences(8), options);
            for (int step = 0; step < 3; step++) {
                for (String name : List.of("loss", "grad_norm")) {
                    // the same numbers added in another order: a few f32 roundings a gradient, carried over two steps
                    assertThat(run.value(step, name))
                            .as("%s of step %d", name, step + 1)
                            .isCloseTo(whole.value(step, name), within(1e-5 * whole.value(step, name)));
                }
            }
        }
    }

    /** Each line is the mean over all tokens since the last, not a mean of means; also of many micro-batches. */
    @OnEachDevice
    void aLineIsTheMeanOverItsTokens(On on) {
        List<Sequence> sequences = TinyRun.sequences(70);
        TinyRun lines = TinyRun.sft(on, sequences, onePass(1));
        double mean = TinyRun.sft(on, sequences, onePass(70)).last("loss");
        int[] order = Shuffle.order(70, 42, 0);
        double sum = 0;
        long tokens = 0;
        for (int step = 0; step < 70; step++) {
            int count = sequences.get(order[step]).completion().length;
            sum += count * lines.value(step, "loss");
            tokens += count;
        }
        // both are double sums of the same f32 sums
        assertThat(mean).isCloseTo(sum / tokens, within(1e-12));
    }

    /** A log-prob that is not finite makes its gradient NaN, so that its step is skipped. That of others is -1 / targets. */
    @OnEachDevice
    void aSumThatIsNotFiniteHasAGradientThatIsNot(On on) {
        List<Sequence> rows = TinyRun.sequences(5);
        float each = -1f / rows.stream().mapToInt(Sequence::targetCount).sum();
        try (Model model = TinyRun.model(on);
                SequenceObjective objective = new SequenceObjective(model, rows, List.of(), options(5, 1));
                DeviceBuffer sums = on.device().allocate(5 * Float.BYTES)) {
            float[] given = {-3, Float.NEGATIVE_INFINITY, -2e38f, Float.NaN, 0};
            on.device().upload(sums.address(), given);
            objective.beginStep(new int[] {0, 1, 2, 3, 4}, 0);
            long gradient = objective.loss(new int[5]).dSums(new LogProbs(0, sums.address(), 0, 0), 5);
            assertThat(on.device().downloadFloats(gradient, 5)).containsExactly(each, Float.NaN, each, Float.NaN, each);
        }
    }

    private static TrainOptions onePass(int loggingSteps) {
        return TinyRun.options()
                .learningRate(0)
                .perDeviceTrainBatchSize(1)
                .numTrainEpochs(1)
                .loggingSteps(loggingSteps)
                .build()
                .train();
    }

    private static TrainOptions options(int batch, int accumulation) {
        return TinyRun.options()
                .perDeviceTrainBatchSize(batch)
                .gradientAccumulationSteps(accumulation)
                .maxSteps(3)
                .adamEpsilon(1e-3)
                .build()
                .train();
    }
}
