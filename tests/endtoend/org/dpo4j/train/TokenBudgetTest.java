package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Micro-batches of at most {@code max_tokens_per_batch} tokens. */
class TokenBudgetTest {
    private static final int[] TOKENS = {3, 4, 5, 6, 2, 2, 2, 9, 1};

    private static TrainOptions options(UnaryOperator<DpoOptions.Builder> change) {
        return change.apply(TinyRun.options()).build().train();
    }

    private static TrainOptions byHand(double epochs) {
        return options(builder -> builder.trainSamplingStrategy(SamplingStrategy.SEQUENTIAL)
                .perDeviceTrainBatchSize(3)
                .gradientAccumulationSteps(2)
                .numTrainEpochs(epochs)
                .maxTokensPerBatch(10));
    }

    /** 3 + 4, then 5, then 6 + 2 + 2 (three rows), then 2, then 9 + 1. */
    @Test
    void aMicroBatchEndsBeforeTheRowThatWouldExceedABound() {
        Steps steps = new Steps(byHand(1.5), TOKENS);
        assertThat(steps.microBatches(0)).containsExactly(new int[] {0, 1}, new int[] {2});
        assertThat(steps.microBatches(1)).containsExactly(new int[] {3, 4, 5}, new int[] {6});
        assertThat(steps.microBatches(2)).containsExactly(new int[] {7, 8});
        assertThat(steps.microBatches(3)).containsExactly(new int[] {0, 1}, new int[] {2});
        assertThat(steps.total()).isEqualTo(3 + 2);
        assertThat(steps.epoch(0)).isZero();
        assertThat(steps.epoch(1)).isCloseTo(1 / 3.0, within(1e-15));
        assertThat(steps.epoch(3)).isEqualTo(1);
        assertThat(steps.epoch(5)).isCloseTo(1 + 2 / 3.0, within(1e-15));
        assertThat(steps).hasToString("5 of at most 6 rows (3 x 2) and 10 tokens per micro-batch, 1.67 epochs");
    }

    @Test
    void aPartOfAnEpochReadsTheRowsOfItsSteps() {
        assertThat(new Steps(byHand(0.1), TOKENS).rowsRead()).containsExactly(0, 1, 2);
        assertThat(new Steps(byHand(0.6), TOKENS).rowsRead()).containsExactly(0, 1, 2, 3, 4, 5, 6);
        assertThat(new Steps(byHand(1), TOKENS).rowsRead()).hasSize(9);
    }

    /** Epochs have different numbers of steps, because the order of the rows differs. */
    @ParameterizedTest
    @EnumSource(SamplingStrategy.class)
    void everyEpochReadsEveryRowOnce(SamplingStrategy strategy) {
        int[] tokens = new Random(5).ints(200, 1, 60).toArray();
        TrainOptions options = options(builder -> builder.trainSamplingStrategy(strategy)
                .perDeviceTrainBatchSize(6)
                .gradientAccumulationSteps(4)
                .numTrainEpochs(5)
                .maxTokensPerBatch(100));
        Steps steps = new Steps(options, tokens);
        int step = 0;
        for (int epoch = 0; epoch < 5; epoch++) {
            assertThat(steps.epoch(step)).isEqualTo(epoch);
            List<int[]> batches = new ArrayList<>();
            while (step < steps.total()
                    && batches.stream().mapToInt(batch -> batch.length).sum() < tokens.length) {
                List<int[]> micro = steps.microBatches(step);
                assertThat(micro).hasSizeBetween(1, 4);
                batches.addAll(micro);
                step++;
            }
            assertThat(batches.stream().flatMapToInt(IntStream::of).sorted())
                    .containsExactlyElementsOf(IntStream.range(0, 200).boxed().toList());
            for (int i = 0; i < batches.size(); i++) {
                int sum = sum(batches.get(i), tokens);
                assertThat(sum).isLessThanOrEqualTo(100);
                assertThat(batches.get(i).length).isLessThanOrEqualTo(6);
                boolean isFull = batches.get(i).length == 6
                        || i + 1 == batches.size()
                        || sum + tokens[batches.get(i + 1)[0]] > 100;
                assertThat(isFull).isTrue();
            }
        }
        assertThat(step).isEqualTo(steps.total());
    }

    private static int sum(int[] batch, int[] tokens) {
        return IntStream.of(batch).map(row -> tokens[row]).sum();
    }

    /** Steps may be asked for in any order, as after a restart. */
    @Test
    void aStepDoesNotDependOnEarlierCalls() {
        int[] tokens = new Random(6).ints(50, 1, 60).toArray();
        TrainOptions options = options(builder -> builder.maxTokensPerBatch(80).maxSteps(60));
        Steps forward = new Steps(options, tokens);
        List<List<int[]>> expected =
                IntStream.range(0, 60).mapToObj(forward::microBatches).toList();
        Steps backward = new Steps(options, tokens);
        for (int step = 59; step >= 0; step--) {
            List<int[]> found = backward.microBatches(step);
            assertThat(found).usingRecursiveComparison().isEqualTo(expected.get(step));
        }
    }

    @Test
    void aRowThatExceedsTheBudgetIsRefused() {
        assertThatThrownBy(() -> new Steps(options(builder -> builder.maxTokensPerBatch(8)), TOKENS))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage("max_tokens_per_batch is 8 but the longest row has 9 tokens; set it to at least that, or"
                        + " lower max_length");
    }

    @Test
    void tooManyStepsAreRefused() {
        assertThatThrownBy(() -> new Steps(
                        options(builder -> builder.maxTokensPerBatch(100).numTrainEpochs(1_000_000)), new int[100_000]))
                .hasMessageContaining("at most 1,000,000,000 are supported");
    }

    /** One step over all rows has the same mean, however the budget splits it. */
    @Test
    void theBudgetDoesNotChangeTheMean() {
        List<PreferencePair> pairs = TinyRun.pairs(12);
        List<Sequence> sequences = TinyRun.sequences(12);
        try (Device device = Devices.cpu(1)) {
            for (boolean isDpo : new boolean[] {true, false}) {
                DpoOptions.Builder options = TinyRun.options()
                        .perDeviceTrainBatchSize(12)
                        .gradientAccumulationSteps(50)
                        .maxSteps(2);
                TinyRun whole = run(device, isDpo, pairs, sequences, options);
                TinyRun split = run(device, isDpo, pairs, sequences, options.maxTokensPerBatch(64));
                for (String name : List.of("loss", "grad_norm", "num_tokens")) {
                    // float32 sums in another order: some roundings of 6e-8 each
                    assertThat(split.value(0, name))
                            .isCloseTo(whole.value(0, name), within(1e-5 * whole.value(0, name)));
                }
                assertThat(split.value(1, "epoch")).isEqualTo(2);
            }
        }
    }

    private static TinyRun run(
            Device device,
            boolean isDpo,
            List<PreferencePair> pairs,
            List<Sequence> sequences,
            DpoOptions.Builder options) {
        try (Model model = TinyRun.model(device, DType.F32)) {
            return isDpo
                    ? TinyRun.dpo(model, pairs, List.of(), options.build())
                    : TinyRun.run(
                            model,
                            options.build().train(),
                            new SequenceObjective(
                                    model, sequences, List.of(), options.build().train()));
        }
    }
}
