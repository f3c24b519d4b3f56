package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.dpo4j.conformance.TestDevices;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.LossType;
import org.dpo4j.model.Model;
import org.dpo4j.report.Metrics;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Steps whose gradient is not finite. Row 5 states a reference log-prob of -3e38. The gradient of ipo is 2 (difference of
 * the log-ratios - 1 / (2 beta)), which is then 6e38, beyond f32.
 */
class NonFiniteStepsTest {
    private static final boolean IS_CPU = TestDevices.isCpu();

    @TempDir
    private Path directory;

    @BeforeEach
    void makeModelAndPairs() throws IOException {
        TinyRun.writeModelAndPairs(directory);
        List<String> rows = new ArrayList<>();
        for (PreferencePair pair : TinyRun.pairs(8)) {
            rows.add(
                    "{\"prompt_ids\":%s,\"chosen_ids\":%s,\"rejected_ids\":%s,\"ref_chosen_logps\":%s,\"ref_rejected_logps\":-20.0}"
                            .formatted(
                                    Arrays.toString(pair.prompt()),
                                    Arrays.toString(pair.chosen()),
                                    Arrays.toString(pair.rejected()),
                                    pair.row() == 5 ? "-3e38" : "-20.0"));
        }
        Files.write(directory.resolve("stated.jsonl"), rows);
    }

    /** Steps of two rows each in the order of the file, so row 5 is in step 3 of each epoch of 4 steps. */
    private DpoOptions.Builder options(String output) {
        return TinyRun.options(directory, output)
                .datasetName(directory.resolve("stated.jsonl"))
                .device(TestDevices.option())
                .dtype(Precision.FLOAT32)
                .lossType(LossType.IPO)
                .trainSamplingStrategy(SamplingStrategy.SEQUENTIAL)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .perDeviceTrainBatchSize(1)
                .gradientAccumulationSteps(2)
                .maxSteps(8)
                .saveStrategy(SaveStrategy.NO);
    }

    private String fifth() {
        return directory.resolve("stated.jsonl") + " line 5";
    }

    /**
     * Row 5 states -1e25: the loss of ipo is then 1e50, beyond f32, and its gradient 2e25, which is not. The loss of other
     * steps does not contain it, and their accuracy does not count it as wrong.
     */
    @Test
    void aLossThatIsNotFiniteSkipsItsStep() throws IOException {
        Path rows = directory.resolve("stated.jsonl");
        Files.writeString(rows, Files.readString(rows).replace("-3e38", "-1e25"));
        Recorder listener = new Recorder();
        List<Metrics> lines = DpoTrainer.train(options("out").maxSteps(4).build(), listener);
        assertThat(listener.notices)
                .filteredOn(line -> line.startsWith("the loss"))
                .containsExactly(
                        "the loss of step 3 is not finite, although its gradient is, so the step was not applied"
                                + " and training goes on (1 of at most 3 such steps); the cause is " + fifth());
        assertThat(lines)
                .extracting(line -> line.values().get("grad_norm"))
                .allSatisfy(norm -> assertThat(norm).isFinite());
        assertThat(lines.get(2).values())
                .containsEntry("loss", Double.NaN)
                .containsEntry("rewards/accuracies", Double.NaN);
        assertThat(lines.get(3).values().get("loss")).isFinite();
        train("two", 2);
        train("three", 3);
        assertThat(weights("three")).isEqualTo(weights("two"));
    }

    /** The mean of a line is over the steps that were applied. */
    @Test
    void aLineLeavesSkippedStepsOut() {
        List<Metrics> lines =
                DpoTrainer.train(options("two").maxSteps(2).loggingSteps(2).build(), metrics -> {});
        List<Metrics> skipped =
                DpoTrainer.train(options("three").maxSteps(3).loggingSteps(3).build(), metrics -> {});
        for (String name : List.of("loss", "rewards/accuracies", "logps/chosen", "rewards/margins")) {
            assertThat(skipped.get(0).values().get(name))
                    .as(name)
                    .isEqualTo(lines.get(0).values().get(name));
        }
    }

    /** Steps 3 and 7 of 8. */
    @Test
    void theEndSaysHowManyStepsWereSkipped() {
        Recorder listener = new Recorder();
        DpoTrainer.train(options("out").build(), listener);
        assertThat(listener.notices)
                .filteredOn(line -> line.contains("did not change the weights"))
                .containsExactly(
                        "2 of 8 steps did not change the weights, because their gradient or loss was not finite");
        NonFiniteSteps mostly = new NonFiniteSteps(9, 3, listener);
        for (int step = 1; step <= 2; step++) {
            mostly.report(
                    new GradientNorms.Skipped(step, false),
                    new NonFiniteSteps.Rows(List.of(1), List.of(1), row -> "row " + row),
                    3,
                    3,
                    () -> "");
        }
        mostly.tellCount();
        assertThat(listener.notices)
                .last()
                .asString()
                .endsWith("not finite: the model is hardly trained; look at the rows");
    }

    private byte[] weights(String output) throws IOException {
        return Files.readAllBytes(directory.resolve(output + "/model.safetensors"));
    }

    @Test
    void theStepIsSkippedCountedAndItsRowNamed() throws IOException {
        Recorder listener = new Recorder();
        List<Metrics> lines = DpoTrainer.train(options("out").build(), listener);
        assertThat(listener.notices)
                .filteredOn(line -> line.startsWith("the gradient"))
                .containsExactly(
                        "the gradient of step 3 is not finite, so it was not applied and training goes on (1 of at most 3"
                                + " such steps); the cause is " + fifth(),
                        "the gradient of step 7 is not finite, so it was not applied and training goes on (2 of at most 3"
                                + " such steps); the cause is " + fifth());
        assertThat(lines)
                .extracting(line -> line.values().get("nonfinite_steps"))
                .containsExactly(null, null, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0);
        assertThat(lines)
                .extracting(line -> line.values().get("grad_norm"))
                .satisfies(norms -> assertThat(norms.get(2)).isNaN())
                .satisfies(norms -> assertThat(norms.get(3)).isFinite());
        train("two", 2);
        train("three", 3);
        assertThat(weights("three")).isEqualTo(weights("two"));
        train("four", 4);
        assertThat(weights("four")).isNotEqualTo(weights("two"));
    }

    /** Of two shards with rows that cause it, each is named with its lines. */
    @Test
    void rowsOfAStepAreNamedWithTheirFiles() throws IOException {
        List<String> rows = Files.readAllLines(directory.resolve("stated.jsonl"));
        Path shards = Files.createDirectory(directory.resolve("shards"));
        String bad = rows.get(4);
        Files.write(shards.resolve("a.jsonl"), List.of(rows.get(0), bad, rows.get(1)));
        Files.write(shards.resolve("b.jsonl"), List.of(bad, bad.replace("-3e38", "-2.9e38")));
        DpoOptions all = options("out")
                .datasetName(shards)
                .gradientAccumulationSteps(5)
                .maxSteps(1)
                .build();
        assertRefused(
                () -> DpoTrainer.train(all, metrics -> {}),
                "the causes are " + shards.resolve("a.jsonl") + " line 2, " + shards.resolve("b.jsonl")
                        + " line 1, 2;");
    }

    private void train(String output, int steps) {
        DpoTrainer.train(options(output).maxSteps(steps).build(), metrics -> {});
    }

    @Test
    void trainingStopsAtOneTooMany() {
        Recorder listener = new Recorder();
        assertRefused(
                () -> DpoTrainer.train(options("out").maxNonfiniteSteps(1).build(), listener),
                "the gradient of step 7 is not finite, so it was not applied and training stops: max_nonfinite_steps is 1;"
                        + " the cause is " + fifth() + "; lower learning_rate, or look at the rows");
        assertThat(listener.notices).last().asString().startsWith("saved the weights of step 6 in ");
    }

    /** Metrics are read every 5 steps. The checkpoint after step 4 is inside a window, after the first skipped step. */
    @Test
    void aResumedRunCountsOn() throws IOException {
        DpoTrainer.train(
                options("never")
                        .loggingSteps(5)
                        .saveStrategy(SaveStrategy.STEPS)
                        .saveSteps(4)
                        .build(),
                metrics -> {});
        Recorder listener = new Recorder();
        List<Metrics> lines = DpoTrainer.train(
                options("resumed")
                        .loggingSteps(5)
                        .resumeFromCheckpoint(
                                directory.resolve("never/checkpoint-4").toString())
                        .build(),
                listener);
        assertThat(weights("resumed")).isEqualTo(weights("never"));
        assertThat(lines).last().satisfies(line -> assertThat(line.values()).containsEntry("nonfinite_steps", 2.0));
        assertThat(listener.notices)
                .filteredOn(line -> line.startsWith("the gradient"))
                .last()
                .asString()
                .startsWith("the gradient of step 7 is not finite");
    }

    /** The search for rows adds nothing to sums of the objective: the loss of the window is that of the other step. */
    @Test
    void theSearchLeavesSumsAsTheyAre() {
        List<Sequence> rows = TinyRun.sequences(6);
        DpoOptions.Builder builder =
                TinyRun.options().lrSchedulerType(LrSchedulerType.CONSTANT).perDeviceTrainBatchSize(3);
        TrainOptions options = builder.loggingSteps(2).maxSteps(2).build().train();
        TrainOptions one = builder.maxSteps(1).build().train();
        try (Device device = Devices.cpu(1);
                Model poisoned = TinyRun.model(device, DType.F32);
                Model other = TinyRun.model(device, DType.F32)) {
            Objective objective = new SequenceObjective(poisoned, rows, List.of(), options);
            TinyRun run = TinyRun.run(poisoned, options, PoisonedObjective.create(objective, poisoned, Set.of(2)));
            TinyRun expected = TinyRun.sft(other, rows, one, 1 << 20);
            assertThat(run.value(0, "nonfinite_steps")).isEqualTo(1);
            assertThat(run.value(0, "loss")).isEqualTo(expected.value(0, "loss"));
        }
    }
}
