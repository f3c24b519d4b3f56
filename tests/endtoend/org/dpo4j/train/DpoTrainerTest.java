package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.LossType;
import org.dpo4j.model.Model;
import org.dpo4j.model.ParameterTensor;
import org.dpo4j.model.TestFiles;
import org.dpo4j.report.Metrics;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs from files to files. */
class DpoTrainerTest {
    @TempDir
    private Path directory;

    @BeforeEach
    void makeModelAndPairs() throws IOException {
        TinyRun.writeModelAndPairs(directory);
    }

    @Test
    void writesAModelThatLoadsAndDiffers() throws IOException {
        Files.writeString(directory.resolve("model/special_tokens_map.json"), "{}");
        DpoTrainer.train(options("out").build(), metrics -> {});
        assertThat(names("out"))
                .containsExactly(
                        "README.md",
                        "config.json",
                        "metrics.jsonl",
                        "model.safetensors",
                        "report.html",
                        "run.json",
                        "special_tokens_map.json");
        try (Device device = Devices.cpu(1);
                Model before = Model.load(directory.resolve("model"), device, DType.F32);
                Model after = Model.load(directory.resolve("out"), device, DType.F32)) {
            assertThat(after.config()).isEqualTo(before.config());
            assertThat(TinyRun.weights(after)).isNotEqualTo(TinyRun.weights(before));
        }
    }

    /** The names under which transformers 5 saves templates (CHAT_TEMPLATE_DIR) and vocabularies (VOCAB_FILES_NAMES). */
    @Test
    void filesOfTheTokenizerAreCopied() throws IOException {
        Path templates = Files.createDirectory(directory.resolve("model/additional_chat_templates"));
        Files.writeString(templates.resolve("tool_use.jinja"), "one");
        Files.writeString(directory.resolve("model/sentencepiece.bpe.model"), "two");
        Files.writeString(directory.resolve("model/other.txt"), "three");
        DpoTrainer.train(options("out").build(), metrics -> {});
        Files.writeString(templates.resolve("rag.jinja"), "four");
        DpoTrainer.train(options("out").overwriteOutputDir(true).build(), metrics -> {});
        assertThat(names("out"))
                .containsExactly(
                        "README.md",
                        "additional_chat_templates",
                        "config.json",
                        "metrics.jsonl",
                        "model.safetensors",
                        "report.html",
                        "run.json",
                        "sentencepiece.bpe.model");
        assertThat(directory.resolve("out/additional_chat_templates/tool_use.jinja"))
                .hasContent("one");
        assertThat(directory.resolve("out/additional_chat_templates/rag.jinja")).hasContent("four");
    }

    /** A link to a directory is that directory. */
    @Test
    void anOutputDirectoryBehindALink() throws IOException {
        Files.createDirectory(directory.resolve("disk"));
        Files.createSymbolicLink(directory.resolve("out"), Path.of("disk"));
        DpoTrainer.train(options("out").build(), metrics -> {});
        assertThat(directory.resolve("disk/model.safetensors")).exists();
        assertThat(Files.isSymbolicLink(directory.resolve("out"))).isTrue();
    }

    /** Metrics have TRL's names; dpo4j adds lengths, rates and memory. */
    @Test
    void metricsHaveTrlsNames() throws IOException {
        List<Metrics> history = DpoTrainer.train(
                options("out")
                        .evalDataset(directory.resolve("pairs.jsonl"))
                        .evalSteps(2)
                        .build(),
                metrics -> {});
        List<String> lines = Files.readAllLines(directory.resolve("out/metrics.jsonl"));
        assertThat(lines).hasSameSizeAs(history);
        List<String> training = new ArrayList<>(List.of("step"));
        training.addAll(TinyRun.METRICS);
        training.addAll(List.of("grad_norm", "learning_rate", "epoch", "num_tokens"));
        training.addAll(List.of("pairs_per_second", "tokens_per_second", "memory_gib/process"));
        assertThat(keys(lines.get(0))).containsExactlyElementsOf(training);
        List<String> evaluation = new ArrayList<>(List.of("step"));
        TinyRun.METRICS.forEach(name -> evaluation.add("eval_" + name));
        evaluation.add("eval_lengths/margin_correlation");
        evaluation.addAll(List.of("epoch", "eval_runtime"));
        assertThat(keys(lines.get(2))).containsExactlyElementsOf(evaluation);
        assertThat(history.get(history.size() - 1).step()).isEqualTo(3);
    }

    /** A line after the first step; the next one has the mean of the other steps. */
    @Test
    void theFirstStepIsLoggedIfAsked() {
        List<Metrics> all = DpoTrainer.train(options("all").numTrainEpochs(2).build(), metrics -> {});
        List<Metrics> some = DpoTrainer.train(
                options("some")
                        .numTrainEpochs(2)
                        .loggingSteps(3)
                        .loggingFirstStep(true)
                        .build(),
                metrics -> {});
        assertThat(some).extracting(Metrics::step).containsExactly(1, 3, 6);
        assertThat(some.get(0).values().get("loss"))
                .isEqualTo(all.get(0).values().get("loss"));
        // steps 2 and 3 of an epoch have 3 and 2 pairs
        double mean = (3 * loss(all.get(1)) + 2 * loss(all.get(2))) / 5;
        assertThat(some.get(1).values().get("loss")).isCloseTo(mean, within(1e-6)); // a few roundings of an fp32 sum
    }

    private static double loss(Metrics line) {
        return line.values().getOrDefault("loss", Double.NaN);
    }

    /** As in TRL, {@code dtype} float32 does not change the meaning of {@code bf16}. */
    @Test
    void bf16OnCpuHasTheLossesOfFloat32() throws IOException {
        List<Metrics> exact = DpoTrainer.train(options("exact").build(), metrics -> {});
        List<Metrics> rounded = DpoTrainer.train(
                options("rounded").dtype(Precision.FLOAT32).bf16(true).build(), metrics -> {});
        assertThat(rounded.get(0).values().get("loss")).isEqualTo((float) Math.log(2));
        double rounding = 0x1p-8; // the relative error of a bf16; losses are below 1
        for (int step = 0; step < exact.size(); step++) {
            assertThat(rounded.get(step).values().get("loss"))
                    .as("step %d", step)
                    .isCloseTo(exact.get(step).values().get("loss"), within(rounding));
        }
        try (Device device = Devices.cpu(1);
                Model one = Model.load(directory.resolve("exact"), device, DType.F32);
                Model other = Model.load(directory.resolve("rounded"), device, DType.F32)) {
            assertThat(TinyRun.weights(other)).isNotEqualTo(TinyRun.weights(one));
        }
    }

    @Test
    void twoRunsWriteTheSameFile() throws IOException {
        DpoTrainer.train(options("one").build(), metrics -> {});
        DpoTrainer.train(options("other").build(), metrics -> {});
        assertThat(directory.resolve("other/model.safetensors"))
                .hasSameBinaryContentAs(directory.resolve("one/model.safetensors"));
    }

    @Test
    void theHeaderComesFirstAndProgressIsReported() {
        Recorder recorder = new Recorder();
        DpoTrainer.train(options("out").build(), recorder);
        assertThat(recorder.headers).hasSize(1);
        Map<String, String> facts = recorder.headers.get(0).facts();
        assertThat(facts)
                .containsKeys("device", "dtype", "pairs", "loss", "tokens", "steps", "checkpoints", "deterministic");
        assertThat(facts.get("model")).endsWith(" parameters, all trained");
        assertThat(facts.get("per step")).matches("3 pairs, \\d+ tokens on average");
        assertThat(facts.get("output")).isEqualTo(directory.resolve("out") + ": the model, metrics.jsonl");
        assertThat(facts.get("memory")).startsWith("16 bytes per parameter");
        assertThat(facts.get("device memory")).startsWith("at most ").contains(": weights ", "activations ", "head ");
        assertThat(facts.get("steps")).startsWith("3 of 3 rows (3 x 1)");
        assertThat(recorder.progress)
                .filteredOn(line -> line.matches(".* (\\d+)/\\1"))
                .containsExactly("reference log-probs 8/8", "training 3/3");
    }

    @Test
    void aModelIsNotOverwrittenUnlessAsked() throws IOException {
        DpoTrainer.train(options("out").build(), metrics -> {});
        byte[] first = Files.readAllBytes(directory.resolve("out/model.safetensors"));
        refused(options("out").beta(0.5), "out", "overwrite_output_dir");
        assertThat(directory.resolve("out/model.safetensors")).hasBinaryContent(first);
        DpoTrainer.train(options("out").beta(0.5).overwriteOutputDir(true).build(), metrics -> {});
        assertThat(Files.readAllBytes(directory.resolve("out/model.safetensors")))
                .isNotEqualTo(first);
    }

    /** The error comes before the model is read. */
    @Test
    void anOutputDirectoryThatCannotBeMadeIsRefusedFirst() throws IOException {
        Files.writeString(directory.resolve("file"), "");
        refused(options("file/out").modelNameOrPath(directory.resolve("absent")), "output_dir", "file/out");
    }

    /** Weights that are not finite in the file, or would not be on the device. */
    @ParameterizedTest
    @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
    void weightsThatAreNotFiniteAreRefused(float broken) throws IOException {
        try (Device device = Devices.cpu(1);
                Model model = Model.load(directory.resolve("model"), device, DType.F32)) {
            ParameterTensor tensor = model.parameters().tensor("model.layers.1.mlp.down_proj.weight");
            float[] weights = model.parameters().readWeights(tensor);
            weights[weights.length - 1] = broken;
            model.parameters().writeWeights(tensor, weights);
            model.save(directory.resolve("broken"), DType.F32);
        }
        String[] words = {"broken", "model.layers.1.mlp.down_proj.weight is " + broken + " at [15, 23]", "float32"};
        refused(options("out").modelNameOrPath(directory.resolve("broken")), words);
        Files.writeString(directory.resolve("texts.jsonl"), "{\"ids\": [3, 4, 5]}\n");
        SftOptions.Builder sft = SftOptions.builder()
                .modelNameOrPath(directory.resolve("broken"))
                .datasetName(directory.resolve("texts.jsonl"))
                .outputDir(directory.resolve("out"))
                .device("cpu");
        assertRefused(() -> SftTrainer.train(sft.build(), metrics -> {}), words);
    }

    /** transformers' Trainer would apply it in sft. TRL turns it off in DPO, so there it is no difference. */
    @Test
    void sftNamesDropoutsThatItDoesNotApply() throws IOException {
        Path config = directory.resolve("model/config.json");
        TestFiles.edit(config, "\"attention_dropout\": 0.0", "\"attention_dropout\": 0.1");
        Files.writeString(directory.resolve("texts.jsonl"), "{\"ids\": [3, 4, 5]}\n");
        SftOptions.Builder sft = SftOptions.builder()
                .modelNameOrPath(directory.resolve("model"))
                .datasetName(directory.resolve("texts.jsonl"))
                .outputDir(directory.resolve("out"))
                .maxSteps(1)
                .device("cpu");
        Recorder recorder = new Recorder();
        SftTrainer.train(sft.build(), recorder);
        assertThat(recorder.headers.get(0).facts())
                .containsEntry("dropout", "attention_dropout 0.1 in config.json is not applied");
        assertThat(TestFiles.read(directory.resolve("out/config.json"))).contains("\"attention_dropout\": 0.1");
        Recorder dpo = new Recorder();
        DpoTrainer.train(options("dpo").build(), dpo);
        assertThat(dpo.headers.get(0).facts()).doesNotContainKey("dropout");
    }

    /** The loss sft has no reference, so it has no rewards. */
    @Test
    void sftAloneHasNoRewards() {
        for (List<LossType> losses :
                List.of(List.of(LossType.SFT), List.of(LossType.SIGMOID, LossType.SFT), List.of(LossType.SIMPO))) {
            List<Metrics> history = DpoTrainer.train(
                    options("out")
                            .lossType(losses.toArray(LossType[]::new))
                            .evalDataset(directory.resolve("pairs.jsonl"))
                            .overwriteOutputDir(true)
                            .build(),
                    metrics -> {});
            for (Metrics line : history) {
                assertThat(line.values().keySet().stream().filter(name -> name.contains("rewards/")))
                        .as("%s %s", losses, line)
                        .hasSize(losses.equals(List.of(LossType.SFT)) ? 0 : 4);
                assertThat(line.values().keySet()).anyMatch(name -> name.contains("logps/chosen"));
            }
        }
    }

    @Test
    void optionsThatTheModelOrTheDeviceCannotSupportAreRefused() {
        refused(options("out").maxLength(65), "max_length is 65", "64 positions");
        refused(options("out").cudaGraphs(true), "cuda_graphs is true", "cpu has no graphs");
        refused(options("out").bf16StochasticRound(true), "bf16_stochastic_round", "on cpu are float32");
        refused(
                options("out").bf16StochasticRound(true).adamMomentsDtype(Precision.BFLOAT16),
                "bf16_stochastic_round",
                "on cpu are float32");
        refused(options("out").modelNameOrPath(directory.resolve("absent")), "absent");
        refused(options("out").datasetName(directory.resolve("absent.jsonl")), "absent.jsonl");
        refused(options("out").warmupSteps(4), "warmup_steps is 4");
    }

    private DpoOptions.Builder options(String output) {
        return TinyRun.options(directory, output).numTrainEpochs(1);
    }

    private static void refused(DpoOptions.Builder options, String... parts) {
        assertRefused(() -> DpoTrainer.train(options.build(), metrics -> {}), parts);
    }

    private List<String> names(String output) throws IOException {
        try (Stream<Path> files = Files.list(directory.resolve(output))) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private static List<String> keys(String line) {
        List<String> keys = new ArrayList<>();
        TestFiles.json(line).fieldNames().forEachRemaining(keys::add);
        return keys;
    }
}
