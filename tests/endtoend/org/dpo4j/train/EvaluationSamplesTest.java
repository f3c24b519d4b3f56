package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.LossType;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.Generator;
import org.dpo4j.model.Model;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.TestFiles;
import org.dpo4j.report.GeneratedSample;
import org.dpo4j.report.GeneratedSample.Continuation;
import org.dpo4j.report.Generations;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Samples of policy and reference at evaluations. */
class EvaluationSamplesTest {
    @TempDir
    private Path directory;

    /** Keeps the samples of a run. */
    private static final class Samples extends Recorder {
        private final List<Generations> all = new ArrayList<>();

        @Override
        public void generations(Generations generations) {
            all.add(generations);
        }
    }

    private DpoOptions.Builder options(String output) {
        return TinyRun.options(directory, output)
                .evalDataset(directory.resolve("pairs.jsonl"))
                .evalSteps(4)
                .evalOnStart(true)
                .beta(0.5)
                .learningRate(3e-2)
                .maxSteps(4);
    }

    /**
     * Expected: texts and log-probs of the model's directory and of the saved one, one sequence alone. They are the same
     * bits as in the run, because a row does not depend on its batch; the reward is their difference in float64.
     */
    @Test
    @Tag("large")
    void textsAndRewardsAreThoseOfTheSavedModels() throws IOException {
        TinyRun.writeModelAndPairs(directory);
        for (double temperature : new double[] {0, 1.5}) {
            Samples samples = new Samples();
            DpoTrainer.train(
                    options("out" + temperature)
                            .generateDuringEval(true)
                            .generationNumPrompts(3)
                            .generationMaxNewTokens(9)
                            .generationTemperature(temperature)
                            .build(),
                    samples);
            assertThat(samples.all.stream().map(Generations::step)).containsExactly(0, 4);
            for (GeneratedSample first : samples.all.get(0).samples()) {
                assertThat(first.policy()).isEqualTo(first.reference());
                assertThat(first.policy().reward()).isZero();
            }
            Generations last = samples.all.get(1);
            assertThat(last.samples()).hasSize(3).isEqualTo(expected("out" + temperature, temperature));
            assertThat(last.samples().stream().map(GeneratedSample::reference))
                    .extracting(Continuation::text)
                    .isEqualTo(samples.all.get(0).samples().stream()
                            .map(sample -> sample.reference().text())
                            .toList());
            assertThat(last.samples()).anyMatch(sample -> Math.abs(reward(sample.policy())) > 1e-3);
            JsonNode line = TestFiles.json(
                    Files.readAllLines(directory.resolve("out" + temperature + "/generations/step-4.jsonl"))
                            .get(0));
            assertThat(line.get("policy").get("text").textValue())
                    .isEqualTo(last.samples().get(0).policy().text());
            assertThat(line.get("policy").get("reward").doubleValue())
                    .isEqualTo(last.samples().get(0).policy().reward());
        }
        DpoTrainer.train(options("without").build(), metrics -> {});
        assertThat(directory.resolve("out0.0/model.safetensors"))
                .hasSameBinaryContentAs(directory.resolve("without/model.safetensors"));
    }

    private static double reward(Continuation continuation) {
        Double reward = continuation.reward();
        return reward == null ? Double.NaN : reward;
    }

    private List<GeneratedSample> expected(String output, double temperature) {
        List<GeneratedSample> samples = new ArrayList<>();
        try (Device device = Devices.cpu(1);
                Model policy = Model.load(directory.resolve(output), device, DType.F32);
                Model reference = Model.load(directory.resolve("model"), device, DType.F32)) {
            for (int i = 0; i < 3; i++) {
                PreferencePair pair = TinyRun.pairs(8).get(i);
                int[] ofPolicy = text(policy, pair.prompt(), temperature, i);
                int[] ofReference = text(reference, pair.prompt(), temperature, i);
                samples.add(new GeneratedSample(
                        pair.row(),
                        written(pair.prompt()),
                        expected(policy, reference, pair.prompt(), ofPolicy),
                        expected(policy, reference, pair.prompt(), ofReference)));
            }
        }
        return samples;
    }

    private static int[] text(Model model, int[] prompt, double temperature, int number) {
        try (Generator generator = new Generator(model)) {
            return generator
                    .generate(
                            List.of(new Generator.Request(prompt, 1, 42 + number)),
                            new Generator.Options(9, temperature))
                    .get(0)
                    .get(0);
        }
    }

    private static Continuation expected(Model policy, Model reference, int[] prompt, int[] text) {
        double reward = 0.5 * (logProb(policy, prompt, text) - logProb(reference, prompt, text));
        return new Continuation(written(text), reward);
    }

    private static double logProb(Model model, int[] prompt, int[] text) {
        try (ScoringModel scoring = new ScoringModel(model, CompletionSums.PLAIN)) {
            PackedBatch batch = PackedBatch.sequences(List.of(new Sequence(1, prompt, text)));
            return model.device().downloadFloats(scoring.forward(batch).sums(), 1)[0];
        }
    }

    private static String written(int[] ids) {
        return IntStream.of(ids).mapToObj(Integer::toString).collect(Collectors.joining(" "));
    }

    /** The plan counts the second copy of the weights, and what generation and its log-probs need at most. */
    @OnEachDType
    void thePlanIsEnough(On on) {
        DpoOptions options = TinyRun.options()
                .evalDataset(Path.of("unread"))
                .generateDuringEval(true)
                .generationNumPrompts(5)
                .build();
        List<PreferencePair> pairs = TinyRun.pairs(7);
        try (Device device = Devices.open(on.device().name(), notice -> {});
                Model model = TinyRun.model(device, on.dtype());
                PreferenceObjective objective = new PreferenceObjective(model, pairs, pairs, options)) {
            long before = device.allocatedBytes();
            long plan = EvaluationSamples.bytes(objective, options.train());
            assertThat(device.allocatedBytes()).isEqualTo(before);
            try (EvaluationSamples samples = new EvaluationSamples(model, objective, options.train(), new Recorder())) {
                samples.generate(1);
            }
            assertThat(device.peakAllocatedBytes() - before).isBetween(plan / 2, plan);
        }
    }

    /** A loss without a reference has no implicit reward. Prompts that several rows share are continued once. */
    @Test
    @Tag("large")
    void aLossWithoutReferenceHasNoRewards() throws IOException {
        TinyRun.writeModelAndPairs(directory);
        List<String> rows = Files.readAllLines(directory.resolve("pairs.jsonl"));
        Files.write(directory.resolve("pairs.jsonl"), List.of(rows.get(0), rows.get(0), rows.get(1)));
        Samples samples = new Samples();
        DpoTrainer.train(
                options("out").lossType(LossType.SIMPO).generateDuringEval(true).build(), samples);
        assertThat(samples.all.get(1).samples().stream().map(GeneratedSample::row))
                .containsExactly(1, 3);
        assertThat(samples.all.get(1).samples())
                .allMatch(sample ->
                        sample.policy().reward() == null && sample.reference().reward() == null);
        assertThat(Arrays.asList(
                        samples.all.get(1).samples().get(0).policy().text().split(" ")))
                .hasSizeLessThanOrEqualTo(64);
    }

    @Test
    @Tag("large")
    void anEosOutsideTheVocabularyIsSaid() throws IOException {
        TinyRun.writeModelAndPairs(directory);
        Path file = TestFiles.write(directory.resolve("model/generation_config.json"), "{\"eos_token_id\": -1}");
        Samples samples = new Samples();
        DpoTrainer.train(options("out").generateDuringEval(true).build(), samples);
        assertThat(samples.notices)
                .anyMatch(line -> line.startsWith(file + ": eos_token_id has -1, but the model's tokens are 0 to "));
    }

    @Test
    void optionsThatNothingReadsAreRefused() {
        assertRefused(
                () -> TinyRun.options().generationNumPrompts(2).build(),
                "generation_num_prompts is given but generate_during_eval is false");
        assertRefused(
                () -> TinyRun.options().generateDuringEval(true).build(),
                "generate_during_eval is true but the run does not evaluate; give eval_dataset");
    }
}
