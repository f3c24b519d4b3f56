package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.data.UnpairedCompletion;
import org.dpo4j.kernels.UnpairedLoss.Type;
import org.dpo4j.model.Model;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** {@code kto} on rows in memory. TrlKtoTest compares whole runs with TRL. */
class KtoTest {
    private static final List<UnpairedCompletion> ROWS = TinyRun.judged(7);

    private static KtoOptions.Builder options(Type loss) {
        Path unread = Path.of("/unread"); // absolute, because a relative path may be a name of the hub
        return KtoOptions.builder()
                .modelNameOrPath(unread)
                .datasetName(unread)
                .outputDir(unread)
                .lossType(loss)
                .perDeviceTrainBatchSize(3)
                .learningRate(1e-2)
                .loggingSteps(1)
                .maxSteps(6);
    }

    /**
     * At the first step the policy is the reference: kl and all rewards are exactly 0, and the loss of a row is half its
     * weight, as float32 has it.
     */
    @OnEachDType
    void theFirstStep(On on) {
        KtoOptions options = options(Type.KTO)
                .desirableWeight(1.5)
                .undesirableWeight(0.25)
                .maxSteps(1)
                .build();
        try (Model model = TinyRun.model(on)) {
            TinyRun run = TinyRun.kto(model, ROWS, ROWS, options);
            double desirable = ROWS.subList(0, 3).stream()
                    .filter(UnpairedCompletion::isDesirable)
                    .count();
            assertThat(desirable).isBetween(1.0, 2.0);
            assertThat(run.value(0, "kl")).isZero();
            assertThat(run.value(0, "rewards/chosen")).isZero();
            assertThat(run.value(0, "rewards/rejected")).isZero();
            assertThat(run.value(0, "rewards/margins")).isZero();
            assertThat(run.value(0, "loss")).isEqualTo((desirable * 0.75 + (3 - desirable) * 0.125) / 3);
        }
    }

    /** The mean of a line of two steps is that over the rows of both, also if one has fewer rows of a label. */
    @OnEachDType
    void meansAreOverRows(On on) {
        TinyRun each = run(on, options(Type.KTO).build());
        TinyRun both = run(on, options(Type.KTO).loggingSteps(2).build());
        List<UnpairedCompletion> step1 = ROWS.subList(0, 3);
        List<UnpairedCompletion> step2 = ROWS.subList(3, 6);
        double first = step1.stream().filter(UnpairedCompletion::isDesirable).count();
        double second = step2.stream().filter(UnpairedCompletion::isDesirable).count();
        assertThat(first).isNotEqualTo(second);
        for (String name : List.of("rewards/chosen", "logps/chosen")) {
            double expected = (first * each.value(0, name) + second * each.value(1, name)) / (first + second);
            // both are sums of six float64 numbers
            assertThat(both.value(0, name)).as(name).isCloseTo(expected, within(1e-14 * Math.abs(expected)));
        }
        double kl = (each.value(0, "kl") + each.value(1, "kl")) / 2;
        assertThat(both.value(0, "kl")).isCloseTo(kl, within(1e-14 * kl));
    }

    private static TinyRun run(On on, KtoOptions options) {
        try (Model model = TinyRun.model(on)) {
            return TinyRun.kto(model, ROWS, List.of(), options);
        }
    }

    /** Logits of one row at a time: the baseline is that of the micro-batch, however many chunks it has. */
    @OnEachDType
    @Tag("large")
    void smallMemoryForLogits(On on) {
        KtoOptions options = options(Type.KTO).gradientAccumulationSteps(2).build();
        TinyRun expected = run(on, options);
        try (Model model = TinyRun.model(on)) {
            TinyRun run = TinyRun.run(
                    model, options.train(), new UnpairedObjective(model, ROWS, List.of(), options, 4L * 64 * 8));
            run.assertCloseTo(expected, 3, "small logits", "loss", "kl", "grad_norm", "rewards/rejected");
        }
    }

    /** Evaluation on the training rows, before and after training, sees other numbers, and changes no bit of the run. */
    @OnEachDType
    @Tag("large")
    void evaluationChangesNothing(On on) {
        KtoOptions plain = options(Type.KTO).perDeviceEvalBatchSize(2).build();
        KtoOptions.Builder builder = options(Type.KTO).perDeviceEvalBatchSize(2);
        KtoOptions evaluated =
                builder.evalDataset(Path.of("unread")).evalSteps(2).build();
        TinyRun expected = run(on, plain);
        try (Model model = TinyRun.model(on)) {
            TinyRun run = TinyRun.kto(model, ROWS, ROWS, evaluated);
            assertThat(run.weights()).isEqualTo(expected.weights());
            assertThat(run.history().get(2).values()).containsKeys("eval_kl", "eval_loss", "eval_rewards/margins");
        }
    }

    /** Equal sequences of two micro-batch sizes: a graph of one size is not replayed with the baseline of the other. */
    @OnEachDType
    void graphsChangeNoBit(On on) {
        if (!on.device().supportsGraphs()) {
            return;
        }
        List<UnpairedCompletion> alike = IntStream.rangeClosed(1, 7)
                .mapToObj(row -> new UnpairedCompletion(
                        row, new int[] {3 + row, 4}, new int[] {5, 6 + row, 7 + row}, row % 2 == 0))
                .toList();
        try (Model one = TinyRun.model(on);
                Model other = TinyRun.model(on)) {
            KtoOptions graphs = options(Type.KTO).maxSteps(12).build();
            KtoOptions launches =
                    options(Type.KTO).maxSteps(12).cudaGraphs(false).build();
            TinyRun with = TinyRun.kto(one, alike, List.of(), graphs);
            TinyRun without = TinyRun.kto(other, alike, List.of(), launches);
            assertThat(with.weights()).isEqualTo(without.weights());
            for (int line = 0; line < 12; line++) {
                assertThat(with.value(line, "kl")).isEqualTo(without.value(line, "kl"));
            }
        }
    }

    @Test
    void completionsRotateWithinABatch() {
        MismatchedRows others = new MismatchedRows(ROWS, 3, 100);
        int[] from = {2, 0, 1, 5, 3, 4, 6};
        for (int row = 0; row < 7; row++) {
            assertThat(others.get(row).prompt()).isEqualTo(ROWS.get(row).prompt());
            assertThat(others.get(row).completion())
                    .isEqualTo(ROWS.get(from[row]).completion());
        }
        UnpairedCompletion longest = new UnpairedCompletion(8, new int[] {3}, new int[] {4, 5, 6, 7}, true);
        UnpairedCompletion shortest = new UnpairedCompletion(9, new int[] {3, 4, 5}, new int[] {6}, false);
        assertThat(new MismatchedRows(List.of(longest, shortest), 2, 5).get(1).completion())
                .containsExactly(4, 5);
        UnpairedCompletion cut =
                new UnpairedCompletion(7, new int[] {3, 4, 5}, new int[] {6, 7}, new int[] {8, 9, 3}, true);
        assertThat(new MismatchedRows(List.of(longest, cut), 2, 5).get(0).completion())
                .containsExactly(6, 7, 8, 9);
    }

    @Test
    void refusals() {
        assertRefused(() -> options(Type.KTO).perDeviceTrainBatchSize(1).build(), "per_device_train_batch_size is 1");
        assertRefused(
                () -> options(Type.KTO)
                        .trainSamplingStrategy(SamplingStrategy.RANDOM)
                        .build(),
                "train_sampling_strategy is random");
        options(Type.APO_ZERO_UNPAIRED)
                .perDeviceTrainBatchSize(1)
                .trainSamplingStrategy(SamplingStrategy.RANDOM)
                .build();
        assertRefused(() -> options(Type.KTO).desirableWeight(-1).build(), "desirable_weight is -1");
        assertRefused(() -> options(Type.KTO).undesirableWeight(Double.NaN).build(), "undesirable_weight is NaN");
        assertRefused(() -> options(Type.KTO).beta(0).build(), "beta is 0");
    }

    /** TRL 1.16's ranges, as it printed them while trl_kto.py ran. */
    @Test
    void adviceOnWeights() {
        LabelBalance balance = new LabelBalance(10, 3);
        assertThat(advice(balance, 1, 1))
                .contains("10 rows are desirable and 3 undes", "from 0.3 to 0.4", "from 2.51 to 3.33");
        assertThat(advice(balance, 1.33, 0.8)).contains("from 0.24 to 0.32", "from 3.33 to 4.43");
        assertThat(advice(balance, 0.5, 1)).contains("from 0.3 to 0.4", "from 1.25 to 1.67");
        assertThat(advice(new LabelBalance(9, 3), 1, 1.5)).contains("from 0.5 to 0.67", "from 2.26 to 3.0");
        assertThat(advice(balance, 1, 3)).isNull();
        assertThat(advice(balance, 0.35, 1)).isNull();
        assertThat(advice(new LabelBalance(10, 10), 5, 1)).isNull();
    }

    private static @Nullable String advice(LabelBalance balance, double desirableWeight, double undesirableWeight) {
        KtoOptions options = options(Type.KTO)
                .desirableWeight(desirableWeight)
                .undesirableWeight(undesirableWeight)
                .build();
        return balance.advice(options.loss());
    }
}
