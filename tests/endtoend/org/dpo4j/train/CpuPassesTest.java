package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.UnpairedCompletion;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.LossType;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.Llama;
import org.junit.jupiter.api.Test;

/** On cpu a micro-batch of many tokens is computed in several passes. */
class CpuPassesTest {
    private static final int[] ROWS = {0, 1, 2, 3, 4, 5};

    private static PreferencePair pair(int seed, int prompt, int chosen, int rejected) {
        return new PreferencePair(seed, ids(seed, prompt), ids(seed + 1, chosen), ids(seed + 2, rejected));
    }

    private static int[] ids(int seed, int length) {
        int[] ids = new int[length];
        Arrays.setAll(ids, i -> (seed * 7 + i * 5 + i / 3) % 37);
        return ids;
    }

    /** Pairs of 600, 4 times 180, and 600 tokens, prompts counted once. */
    private static List<PreferencePair> pairs() {
        List<PreferencePair> pairs = new ArrayList<>();
        pairs.add(pair(0, 300, 200, 100));
        for (int i = 1; i < 5; i++) {
            pairs.add(pair(10 * i, 100, 50, 30));
        }
        pairs.add(pair(50, 300, 100, 200));
        return pairs;
    }

    private static DpoOptions.Builder options() {
        return TinyRun.options()
                .trainSamplingStrategy(SamplingStrategy.SEQUENTIAL)
                .perDeviceTrainBatchSize(ROWS.length)
                .numTrainEpochs(2);
    }

    private static Model model(Device device) {
        return Model.create(Llama.config(37, 16, 24, 2, 2, 1, 1024, true), device, DType.F32, 3);
    }

    @Test
    void passesHaveAtMost768TokensOrOneRow() {
        assertThat(passes(options().build())).containsExactly(new int[] {0}, new int[] {1, 2, 3, 4}, new int[] {5});
    }

    @Test
    void pairsWhoseLossesDependOnEachOtherShareAPass() {
        assertThat(passes(options().lossType(LossType.AOT).build())).containsExactly(ROWS);
    }

    private static List<int[]> passes(DpoOptions options) {
        try (Device device = Devices.cpu(2);
                Model model = model(device);
                Objective objective = new PreferenceObjective(model, pairs(), List.of(), options)) {
            return objective.passesOf(ROWS).toList();
        }
    }

    @Test
    void completionsOfKtoShareTheirBaseline() {
        List<UnpairedCompletion> rows = new ArrayList<>();
        for (int i = 0; i < ROWS.length; i++) {
            rows.add(new UnpairedCompletion(i, ids(i, 300), ids(i + 1, 200), i % 2 == 0));
        }
        KtoOptions options = KtoOptions.builder()
                .modelNameOrPath(Path.of("/unread"))
                .datasetName(Path.of("/unread"))
                .outputDir(Path.of("/unread"))
                .build();
        try (Device device = Devices.cpu(2);
                Model model = model(device);
                Objective objective = new UnpairedObjective(model, rows, List.of(), options)) {
            assertThat(objective.passesOf(ROWS).toList()).containsExactly(ROWS);
        }
    }

    /** Passes of one micro-batch give the bits of a step whose micro-batches are these passes. */
    @Test
    void passesAddUpAsMicroBatchesDo() {
        DpoOptions asMicroBatches =
                options().maxTokensPerBatch(768).gradientAccumulationSteps(3).build();
        Run passes = run(options().build());
        Run expected = run(asMicroBatches);
        assertThat(passes.run.weights()).isEqualTo(expected.run.weights());
        assertThat(losses(passes.run)).isEqualTo(losses(expected.run)).hasSize(2);
        assertThat(passes.activations).isEqualTo(expected.activations);
    }

    private record Run(TinyRun run, long activations) {}

    private static Run run(DpoOptions options) {
        try (Device device = Devices.cpu(2);
                Model model = model(device)) {
            long activations = DpoSteps.memory(model.config(), device, DType.F32, pairs(), options, true)
                    .bytes();
            return new Run(TinyRun.dpo(model, pairs(), List.of(), options), activations);
        }
    }

    private static List<Map<String, Double>> losses(TinyRun run) {
        return run.history().stream()
                .map(line -> Map.of(
                        "loss",
                        line.values().get("loss"),
                        "margin",
                        line.values().get("rewards/margins")))
                .toList();
    }
}
