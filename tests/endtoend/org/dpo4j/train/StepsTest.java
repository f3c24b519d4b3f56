package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.data.Shuffle;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Which rows a step reads, and how many steps there are. */
class StepsTest {

    /** Totals by hand from the rule of transformers' Trainer: ceil(epochs * ceil(ceil(rows / batch) / accumulation)). */
    @ParameterizedTest
    @CsvSource({"16,8,1,3,6", "17,8,1,3,9", "17,8,2,1,2", "17,8,4,1,1", "1,8,4,3,3", "100,3,4,0.5,5", "10,1,1,0.05,1"})
    void countsAsTransformersDoes(int rows, int batch, int accumulation, double epochs, int expected) {
        assertThat(steps(rows, batch, accumulation, epochs, -1).total()).isEqualTo(expected);
    }

    @Test
    void maxStepsOverridesEpochs() {
        assertThat(steps(16, 8, 1, 3, 100).total()).isEqualTo(100);
    }

    @ParameterizedTest
    @CsvSource({"23,4,3", "24,4,3", "5,8,2", "9,1,4", "12,5,1"})
    void anEpochReadsEveryRowOnce(int rows, int batch, int accumulation) {
        Steps steps = steps(rows, batch, accumulation, 2, -1);
        int perEpoch = steps.total() / 2;
        for (int epoch = 0; epoch < 2; epoch++) {
            List<Integer> read = new ArrayList<>();
            for (int step = epoch * perEpoch; step < (epoch + 1) * perEpoch; step++) {
                List<int[]> micro = steps.microBatches(step);
                assertThat(micro).hasSizeBetween(1, accumulation);
                micro.forEach(batchRows -> assertThat(batchRows).hasSizeBetween(1, batch));
                micro.forEach(batchRows -> IntStream.of(batchRows).forEach(read::add));
            }
            assertThat(read)
                    .containsExactlyElementsOf(
                            IntStream.of(Shuffle.order(rows, 42, epoch)).boxed().toList());
            assertThat(steps.epoch((epoch + 1) * perEpoch)).isEqualTo(epoch + 1);
        }
    }

    /** Two rows at a time of 100,000 in each step, and 10^9 steps. */
    @Test
    void aMemoryPlanReadsAMillionMicroBatchesAtMost() {
        assertThat(steps(100_000, 2, 1_000_000, 1, 1_000_000_000).microBatches().count())
                .isEqualTo(1 << 20);
    }

    private static Steps steps(int rows, int batch, int accumulation, double epochs, int maxSteps) {
        TrainOptions options = TinyRun.options()
                .perDeviceTrainBatchSize(batch)
                .gradientAccumulationSteps(accumulation)
                .numTrainEpochs(epochs)
                .maxSteps(maxSteps)
                .build()
                .train();
        return TinyRun.steps(rows, options);
    }
}
