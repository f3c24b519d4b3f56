package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.conformance.TestDevices;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.LossType;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.Model;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.report.Metrics;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs whose reference is computed, read, kept in memory, moved, or another model. */
class ReferenceRunsTest {
    @TempDir
    private Path directory;

    @BeforeEach
    void makeModelAndPairs() throws IOException {
        TinyRun.writeModelAndPairs(directory);
    }

    /** 4 steps of two micro-batches over 8 pairs, with two evaluations. Log-probs are kept in {@code kept}. */
    private DpoOptions.Builder options(String output) {
        return common(DpoOptions.builder(), output);
    }

    private <B extends ReferenceOptionsBuilder<B>> B common(B options, String output) {
        return unevaluated(options, output)
                .evalDataset(directory.resolve("pairs.jsonl"))
                .perDeviceEvalBatchSize(3)
                .evalSteps(2);
    }

    private <B extends ReferenceOptionsBuilder<B>> B unevaluated(B options, String output) {
        return options.modelNameOrPath(directory.resolve("model"))
                .datasetName(directory.resolve("pairs.jsonl"))
                .outputDir(directory.resolve(output))
                .device(TestDevices.option())
                .learningRate(1e-2)
                .perDeviceTrainBatchSize(2)
                .gradientAccumulationSteps(2)
                .loggingSteps(1)
                .maxSteps(4)
                .referenceCacheDir(directory.resolve("kept"));
    }

    private static Recorder train(DpoOptions.Builder options) {
        Recorder recorder = new Recorder();
        DpoTrainer.train(options.build(), recorder);
        return recorder;
    }

    private static String fact(Recorder recorder) {
        return recorder.headers.get(0).facts().getOrDefault("reference", "");
    }

    private static boolean hasPass(Recorder recorder) {
        return recorder.progress.stream().anyMatch(line -> line.startsWith(ReferencePass.PHASE));
    }

    private void assertSame(String output, String expected) throws IOException {
        RunFiles.assertSame(directory.resolve(output), directory.resolve(expected));
    }

    private List<String> lines(String output) throws IOException {
        return RunFiles.metrics(directory.resolve(output));
    }

    private List<Path> kept() throws IOException {
        if (!Files.exists(directory.resolve("kept"))) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(directory.resolve("kept"))) {
            return files.toList();
        }
    }

    @Test
    void computedReadAndOnlineLogProbsAreTheSameBits() throws IOException {
        UnaryOperator<DpoOptions.Builder> loss = options -> options.ldAlpha(0.5);
        Recorder computed = train(loss.apply(options("computed")));
        assertThat(fact(computed))
                .isEqualTo("log-probs of the model before the first step, computed before the first step");
        assertThat(kept()).isEmpty();
        Recorder written = train(loss.apply(options("written").referenceCache(true)));
        assertThat(fact(written)).endsWith("and kept in " + directory.resolve("kept") + " for later runs");
        Recorder read = train(loss.apply(options("read").referenceCache(true)));
        assertThat(fact(read)).contains("16 read from " + kept().get(0), "reference_cache false computes them again");
        Recorder online = train(loss.apply(options("online").precomputeRefLogProbs(false)));
        assertThat(fact(online))
                .isEqualTo("a second copy of the model, frozen; its log-probs are computed in every step");
        assertThat(Stream.of(computed, written, read, online).map(ReferenceRunsTest::hasPass))
                .containsExactly(true, true, false, false);
        for (String output : List.of("written", "read", "online")) {
            assertSame(output, "computed");
        }
    }

    @Tag("large")
    @Test
    void ofJudgedCompletionsToo() throws IOException {
        List<String> rows = TinyRun.judged(8).stream()
                .map(row -> "{\"prompt_ids\":%s,\"completion_ids\":%s,\"label\":%s}"
                        .formatted(Arrays.toString(row.prompt()), Arrays.toString(row.completion()), row.isDesirable()))
                .toList();
        Files.write(directory.resolve("pairs.jsonl"), rows);
        Recorder read = null;
        for (String output : List.of("written", "read")) {
            read = new Recorder();
            KtoTrainer.train(
                    common(KtoOptions.builder(), output).referenceCache(true).build(), read);
        }
        // 8 rows and 8 with another completion, to train on and to evaluate
        assertThat(fact(Objects.requireNonNull(read))).contains("32 read from " + kept().get(0));
        KtoTrainer.train(
                common(KtoOptions.builder(), "online")
                        .precomputeRefLogProbs(false)
                        .build(),
                new Recorder());
        KtoTrainer.train(common(KtoOptions.builder(), "computed").build(), new Recorder());
        for (String output : List.of("written", "read", "online")) {
            assertSame(output, "computed");
        }
        KtoTrainer.train(
                common(KtoOptions.builder(), "moved")
                        .syncRefModel(true)
                        .refModelSyncSteps(2)
                        .build(),
                new Recorder());
        assertThat(lines("moved").subList(0, 2)).isEqualTo(lines("computed").subList(0, 2));
        assertThat(lines("moved").get(3)).isNotEqualTo(lines("computed").get(3));
    }

    /** Rows are found one by one: a longer run computes only what the shorter one did not read. */
    @Tag("large")
    @Test
    void onlyMissingRowsAreComputed() throws IOException {
        train(unevaluated(DpoOptions.builder(), "short").referenceCache(true).maxSteps(1));
        Recorder longer = train(options("longer").referenceCache(true));
        // the evaluation reads all 8 pairs, 4 of which the first step has read
        assertThat(fact(longer)).contains("8 read from " + kept().get(0) + ", 8 computed before the first step");
        train(options("expected"));
        assertSame("longer", "expected");
        // other weights, tokens of another run, another dtype of sums
        Recorder other = train(options("other").referenceCache(true).ldAlpha(0.5));
        assertThat(hasPass(other)).isTrue();
        assertThat(kept()).hasSize(2);
    }

    @Tag("large")
    @Test
    void aChangedByteIsFoundAndTheLogProbsAreComputedAgain() throws IOException {
        train(options("first").referenceCache(true));
        Path file = kept().get(0);
        byte[] bytes = Files.readAllBytes(file);
        byte[] changed = bytes.clone();
        changed[bytes.length / 2] ^= 1;
        Files.write(file, changed);
        Recorder again = train(options("again").referenceCache(true));
        assertThat(again.notices)
                .contains("the reference's log-probs in " + file
                        + " cannot be used (its content was changed); they are computed again");
        assertThat(hasPass(again)).isTrue();
        assertSame("again", "first");
        assertThat(file).hasBinaryContent(bytes);
    }

    @Tag("large")
    @Test
    void anUnwritableCacheEndsNoRun() throws IOException {
        Files.writeString(directory.resolve("kept"), "a file");
        Recorder recorder = train(options("out").referenceCache(true));
        assertThat(fact(recorder))
                .contains("computed before the first step, not kept for later runs: " + directory.resolve("kept")
                        + " cannot be made (")
                .contains("name another directory with reference_cache_dir");
        assertThat(recorder.notices).noneMatch(line -> line.contains("not kept"));
    }

    @Tag("large")
    @Test
    void aCancelledPassGoesOnWhereItStopped() throws IOException {
        Recorder cancelling = new Recorder() {
            @Override
            public boolean isCancelled() {
                return progress.contains(ReferencePass.PHASE + " 3/16");
            }
        };
        assertThatThrownBy(() ->
                        DpoTrainer.train(options("out").referenceCache(true).build(), cancelling))
                .isInstanceOf(CancellationException.class);
        Recorder next = train(options("out").referenceCache(true));
        assertThat(fact(next)).contains("6 read from"); // each of the three pairs is read twice
    }

    @Tag("large")
    @Test
    void lossesWithoutAReferenceComputeNone() {
        for (LossType loss : List.of(LossType.SIMPO, LossType.ORPO, LossType.CPO, LossType.SFT)) {
            Recorder recorder = train(options(loss.option()).lossType(loss).referenceCache(true));
            assertThat(hasPass(recorder)).as(loss.option()).isFalse();
            assertThat(recorder.headers.get(0).facts()).doesNotContainKey("reference");
            assertRefused(
                    () -> options("refused").lossType(loss).syncRefModel(true).build(),
                    "sync_ref_model is true, but none of the losses has a reference");
        }
        assertRefused(
                () -> options("refused")
                        .referenceFree(true)
                        .refModelNameOrPath(directory)
                        .build(),
                "ref_model_name_or_path is " + directory + ", but reference_free is true");
    }

    private Path otherModel(ModelConfig config) {
        Path other = directory.resolve("other");
        try (Device device = Devices.cpu(1);
                Model model = Model.create(config, device, DType.F32, 9)) {
            model.save(other, DType.F32);
        }
        return other;
    }

    /** A wider model with the same vocabulary. Its log-probs are computed here, and the rewards follow from the formula. */
    @Tag("large")
    @Test
    void anotherModelIsTheReference() throws IOException {
        Path other = otherModel(Llama.config(37, 24, 40, 3, 4, 2, 64, false));
        List<PreferencePair> pairs = TinyRun.pairs(8);
        double[] expected = new double[2];
        try (Device device = Devices.cpu(1);
                Model model = Model.load(other, device, DType.F32);
                ScoringModel scoring = new ScoringModel(model, CompletionSums.PLAIN)) {
            float[] sums =
                    ReferenceLogProbs.compute(scoring, pairs, 8, metrics -> {}).sums();
            IntStream.range(0, 16).forEach(i -> expected[i % 2] += sums[i] / 8.0);
        }
        UnaryOperator<DpoOptions.Builder> whole = options -> options.refModelNameOrPath(other)
                .device("cpu")
                .perDeviceTrainBatchSize(4)
                .perDeviceEvalBatchSize(8);
        List<Metrics> lines = DpoTrainer.train(whole.apply(options("computed")).build(), new Recorder());
        Metrics first = lines.get(0);
        // a mean of 8 f32 numbers below 64, times beta 0.1
        assertThat(first.values().get("rewards/chosen"))
                .isCloseTo(
                        0.1 * (first.values().getOrDefault("logps/chosen", Double.NaN) - expected[0]),
                        within(0.1 * 64 * 0x1p-22));
        assertThat(first.values().get("rewards/rejected"))
                .isCloseTo(
                        0.1 * (first.values().getOrDefault("logps/rejected", Double.NaN) - expected[1]),
                        within(0.1 * 64 * 0x1p-22));
        Recorder online = train(whole.apply(options("online")).precomputeRefLogProbs(false));
        assertThat(fact(online)).startsWith(other + ", frozen");
        assertSame("online", "computed");
        for (String output : List.of("written", "read")) {
            Recorder recorder = train(whole.apply(options(output)).referenceCache(true));
            assertThat(fact(recorder)).startsWith("log-probs of " + other + ", ");
            assertSame(output, "computed");
        }
    }

    @Test
    void aRevisionIsThatOfANamedReference() {
        assertRefused(
                () -> train(options("out")
                        .refModelNameOrPath(Path.of("owner/absent"))
                        .refModelRevision("v2")),
                "hf download owner/absent --revision v2");
        assertRefused(
                () -> options("out")
                        .refModelNameOrPath(Path.of("owner/name"))
                        .refModelRevision("../v2")
                        .build(),
                "ref_model_revision is ../v2; it must be a branch, a tag or the hash of a commit");
        assertRefused(
                () -> options("out").refModelRevision("v2").build(),
                "ref_model_revision is v2, but ref_model_name_or_path is not given; give it, or leave ref_model_revision"
                        + " out");
        assertRefused(
                () -> options("out")
                        .refModelNameOrPath(directory)
                        .refModelRevision("v2")
                        .build(),
                "ref_model_revision is v2, but ref_model_name_or_path " + directory
                        + " is a path here, which has no revisions; leave ref_model_revision out");
    }

    @Tag("large")
    @Test
    void anotherModelWithOtherTokensIsRefused() throws IOException {
        Path other = otherModel(Llama.config(40, 16, 24, 2, 2, 1, 64, true));
        assertRefused(
                () -> train(options("out").refModelNameOrPath(other)),
                "ref_model_name_or_path " + other + " has a vocabulary of 40 tokens, but that of "
                        + directory.resolve("model") + " has 37");
        writeTokenizer(directory.resolve("model"), "b");
        writeTokenizer(other, "c");
        assertRefused(
                () -> train(options("out").refModelNameOrPath(other)),
                "ref_model_name_or_path " + other + " has another tokenizer than " + directory.resolve("model")
                        + ": id 1 is \"c\", not \"b\"; name a model with the same tokenizer");
        writeTokenizer(other, "b"); // three rows of the table of embeddings are padding
        train(options("trained").refModelNameOrPath(other));
        assertRefused(
                () -> train(options("out").refModelNameOrPath(other).syncRefModel(true)),
                "sync_ref_model is true, but with ref_model_name_or_path " + other
                        + " the reference has model.embed_tokens.weight [40, 16] where the trained model has"
                        + " model.embed_tokens.weight [37, 16]");
        assertRefused(
                () -> train(options("out").refModelNameOrPath(directory.resolve("absent"))),
                directory.resolve("absent").toString());
        Path shorter = otherModel(Llama.config(37, 16, 24, 2, 2, 1, 16, true));
        assertRefused(
                () -> train(options("out").refModelNameOrPath(shorter)),
                "has 16 positions, but rows have up to 64 tokens; set max_length to 16");
    }

    private static void writeTokenizer(Path model, String second) throws IOException {
        Files.writeString(model.resolve("tokenizer.json"), """
                {"version": "1.0", "added_tokens": [], "model": {"type": "WordLevel",
                 "vocab": {"a": 0, "%s": 1}, "unk_token": "a"}}""".formatted(second));
    }

    @Tag("large")
    @Test
    void combinationsThatMakeNoSenseAreRefused() throws IOException {
        assertRefused(
                () -> options("out")
                        .syncRefModel(true)
                        .precomputeRefLogProbs(true)
                        .build(),
                "sync_ref_model is true, but precompute_ref_log_probs is true too");
        assertRefused(
                () -> options("out").refModelMixupAlpha(0.5).build(),
                "ref_model_mixup_alpha is 0.5, but sync_ref_model is false");
        assertRefused(
                () -> options("out").refModelSyncSteps(8).build(),
                "ref_model_sync_steps is 8, but sync_ref_model is false");
        options("out").refModelSyncSteps(512).refModelMixupAlpha(0.6).build();
        List<String> rows = Files.readAllLines(directory.resolve("pairs.jsonl")).stream()
                .map(row -> row.replace("}", ",\"ref_chosen_logps\":-3,\"ref_rejected_logps\":-4}"))
                .toList();
        Files.write(directory.resolve("pairs.jsonl"), rows);
        String columns = ", but the rows state log-probs of a reference; drop ref_chosen_logps and ref_rejected_logps";
        assertRefused(() -> train(options("out").syncRefModel(true)), "sync_ref_model is true" + columns);
        assertRefused(
                () -> train(options("out").precomputeRefLogProbs(false)),
                "precompute_ref_log_probs is false" + columns);
        Path model = directory.resolve("model");
        assertRefused(
                () -> train(options("out").refModelNameOrPath(model)), "ref_model_name_or_path is " + model + columns);
        assertThat(fact(train(options("out"))))
                .isEqualTo("log-probs that the rows state: ref_chosen_logps and ref_rejected_logps");
    }

    /** A resumed run computes the log-probs of the reference again, so the model must be as it was. */
    @Tag("large")
    @Test
    void aResumedRunNeedsTheSameReference() throws IOException {
        train(options("out").saveStrategy(SaveStrategy.STEPS).saveSteps(2));
        Path weights = directory.resolve("model/model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        bytes[bytes.length - 2] ^= 1;
        Files.write(weights, bytes);
        assertRefused(
                () -> train(options("out").resumeFromCheckpoint("true")),
                "model_name_or_path " + directory.resolve("model") + " has other weights than in the run of",
                "so the reference would be another");
    }
}
