package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.io.DirectoryFiles;
import org.dpo4j.kernels.LossType;
import org.dpo4j.model.family.Llama;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A run that goes on from a checkpoint ends with the same bytes as a run that never stopped. */
class CheckpointTest {
    private static final boolean IS_CPU =
            System.getProperty("dpo4j.test.devices", "cpu").equals("cpu");

    @TempDir
    private Path directory;

    @BeforeEach
    void makeModelAndPairs() throws IOException {
        TinyRun.writeModelAndPairs(directory);
        Files.createDirectories(directory.resolve("model/additional_chat_templates"));
        Files.writeString(directory.resolve("model/additional_chat_templates/rag.jinja"), "x");
    }

    /**
     * 12 steps of two micro-batches over 8 pairs, so epochs end inside the run. The windows of metrics are 5 steps, so most
     * checkpoints are inside a window. Evaluations are every 4 steps.
     */
    private DpoOptions.Builder options(String output) {
        return TinyRun.options(directory, output)
                .device(IS_CPU ? "cpu" : "cuda")
                .dtype(Precision.FLOAT32)
                .gradientAccumulationSteps(2)
                .perDeviceTrainBatchSize(2)
                .evalDataset(directory.resolve("pairs.jsonl"))
                .evalSteps(4)
                .loggingSteps(5)
                .warmupSteps(3)
                .maxSteps(12)
                .saveStrategy(SaveStrategy.NO);
    }

    static Stream<Arguments> variants() {
        UnaryOperator<DpoOptions.Builder> plateau = options -> options.dtype(Precision.FLOAT32)
                .lrSchedulerType(LrSchedulerType.REDUCE_LR_ON_PLATEAU)
                .lrSchedulerKwargs(OptionMap.parse("patience=0,threshold=100,threshold_mode=abs"))
                .warmupSteps(0);
        UnaryOperator<DpoOptions.Builder> runningMean = options -> options.dtype(Precision.FLOAT32)
                .lossType(LossType.BCO_PAIR, LossType.SFT)
                .bcoRunningMean(true)
                .trainSamplingStrategy(SamplingStrategy.GROUP_BY_LENGTH)
                .maxTokensPerBatch(64)
                .neftuneNoiseAlpha(5);
        UnaryOperator<DpoOptions.Builder> synced = options -> options.dtype(Precision.FLOAT32)
                .syncRefModel(true)
                .refModelSyncSteps(3)
                .refModelMixupAlpha(0.4)
                .useEma(true);
        UnaryOperator<DpoOptions.Builder> master = options -> options.dtype(Precision.BFLOAT16)
                .syncRefModel(true)
                .refModelSyncSteps(2)
                .useEma(true)
                .emaDecay(0.9);
        UnaryOperator<DpoOptions.Builder> stochastic = options ->
                options.dtype(Precision.BFLOAT16).bf16StochasticRound(true).adamMomentsDtype(Precision.BFLOAT16);
        Stream<Arguments> everywhere = Stream.of(
                Arguments.of("float32, lowered learning rate", plateau),
                Arguments.of("running mean, token budget, noise on embeddings", runningMean),
                Arguments.of("TR-DPO, average of weights", synced));
        return IS_CPU
                ? everywhere
                : Stream.of(
                        Arguments.of("bfloat16, master weights, TR-DPO, average of weights", master),
                        Arguments.of("bfloat16, rounded stochastically", stochastic));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("variants")
    void everyCheckpointGoesOnWithTheSameBits(String name, UnaryOperator<DpoOptions.Builder> variant)
            throws IOException {
        DpoTrainer.train(variant.apply(options("never")).build(), metrics -> {});
        DpoTrainer.train(
                variant.apply(options("all").saveStrategy(SaveStrategy.STEPS).saveSteps(1))
                        .build(),
                metrics -> {});
        assertSame("all", "never");
        // each run takes a second on the emulated device
        for (int step : IS_CPU ? new int[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12} : new int[] {7}) {
            String output = "from-" + step;
            Path checkpoint = directory.resolve("all/checkpoint-" + step);
            DpoTrainer.train(
                    variant.apply(options(output).resumeFromCheckpoint(checkpoint.toString()))
                            .datasetCache(true)
                            .datasetCacheDir(directory.resolve("cache"))
                            .build(),
                    metrics -> {});
            assertSame(output, "never");
        }
    }

    static Stream<Arguments> optimizers() {
        return Stream.of(
                Arguments.of(OptimizerName.SGD, "momentum=0.9,dampening=0.5"),
                Arguments.of(OptimizerName.RMSPROP, "momentum=0.9,centered=true"),
                Arguments.of(OptimizerName.LION_32BIT, ""),
                Arguments.of(OptimizerName.ADAMW_8BIT, ""));
    }

    /** The embedding is large enough for moments of 8 bits. */
    @ParameterizedTest(name = "{0} {1}")
    @MethodSource("optimizers")
    void everyOptimizerGoesOnWithTheSameBits(OptimizerName optim, String args) throws IOException {
        TinyRun.writeModelAndPairs(directory, Llama.config(300, 16, 24, 1, 2, 1, 64, true), 8);
        UnaryOperator<DpoOptions.Builder> variant = options -> options.optim(optim)
                .optimArgs(args.isEmpty() ? OptionMap.EMPTY : OptionMap.parse(args))
                .maxSteps(5)
                .evalSteps(5);
        train(variant.apply(options("all").saveStrategy(SaveStrategy.STEPS).saveSteps(2)));
        Path checkpoint = directory.resolve("all/checkpoint-2");
        train(variant.apply(options("resumed").resumeFromCheckpoint(checkpoint.toString())));
        assertSame("resumed", "all");
        assertRefused(
                () -> train(variant.apply(options("resumed").resumeFromCheckpoint(checkpoint.toString()))
                        .optim(OptimizerName.ADAMW_TORCH)
                        .optimArgs(OptionMap.EMPTY)),
                "optim is adamw_torch but was " + optim);
    }

    private void assertSame(String output, String expected) throws IOException {
        assertThat(directory.resolve(output + "/model.safetensors"))
                .as(output)
                .hasSameBinaryContentAs(directory.resolve(expected + "/model.safetensors"));
        Path average = directory.resolve(expected + "/ema/model.safetensors");
        if (Files.exists(average)) {
            assertThat(directory.resolve(output + "/ema/model.safetensors"))
                    .as(output)
                    .hasSameBinaryContentAs(average);
        }
        assertThat(lines(output)).as(output).isEqualTo(lines(expected));
    }

    /** Lines of metrics without those that depend on time. */
    private List<String> lines(String output) throws IOException {
        return Files.readAllLines(directory.resolve(output + "/metrics.jsonl")).stream()
                .map(line -> line.replaceAll(",\"([a-z]+_per_second|eval_runtime|memory_gib/[a-z]+)\":[^,}]*", ""))
                .toList();
    }

    /** The run is cancelled at the first question after this step. After steps 4 and 8 that is in an evaluation. */
    @Tag("large")
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4, 5, 8})
    void aCancelledRunGoesOnFromItsLastStep(int step) throws IOException {
        DpoTrainer.train(options("never").perDeviceEvalBatchSize(8).build(), metrics -> {});
        boolean[] isCancelled = {false};
        Recorder listener = new Recorder() {
            @Override
            public void progress(String phase, long done, long total) {
                isCancelled[0] |= phase.equals("training") && done == step;
            }

            @Override
            public boolean isCancelled() {
                return isCancelled[0];
            }
        };
        assertThatThrownBy(() -> DpoTrainer.train(
                        options("out")
                                .perDeviceEvalBatchSize(8)
                                .saveStrategy(SaveStrategy.STEPS)
                                .build(),
                        listener))
                .isInstanceOf(CancellationException.class);
        assertThat(listener.notices)
                .anySatisfy(line -> assertThat(line).contains("go on with resume_from_checkpoint true"));
        DpoTrainer.train(
                options("out")
                        .perDeviceEvalBatchSize(8)
                        .resumeFromCheckpoint("true")
                        .build(),
                metrics -> {});
        assertSame("out", "never");
    }

    /** An interrupt is still set while the checkpoint is written, and would close its files. */
    @Tag("large")
    @Test
    void anInterruptedRunGoesOnFromItsLastStep() throws IOException {
        DpoTrainer.train(options("never").build(), metrics -> {});
        Recorder listener = new Recorder() {
            @Override
            public void progress(String phase, long done, long total) {
                if (phase.equals("training") && done == 7) {
                    Thread.currentThread().interrupt();
                }
            }
        };
        Throwable thrown = catchThrowable(() ->
                DpoTrainer.train(options("out").saveStrategy(SaveStrategy.STEPS).build(), listener));
        assertThat(Thread.interrupted()).isTrue();
        assertThat(thrown).isInstanceOf(CancellationException.class);
        DpoTrainer.train(options("out").resumeFromCheckpoint("true").build(), metrics -> {});
        assertSame("out", "never");
    }

    @Tag("large")
    @Test
    void sequencesGoOnWithTheSameBits() throws IOException {
        writeRows("rows.jsonl", CheckpointTest::sequence);
        assertGoesOn(
                output -> common(SftOptions.builder(), output),
                options -> SftTrainer.train(options.build(), metrics -> {}));
    }

    private static String sequence(PreferencePair pair) {
        int[] ids = IntStream.concat(IntStream.of(pair.prompt()), IntStream.of(pair.chosen()))
                .toArray();
        return "{\"ids\":" + Arrays.toString(ids) + "}";
    }

    @Tag("large")
    @Test
    void judgedCompletionsGoOnWithTheSameBits() throws IOException {
        writeRows("rows.jsonl", CheckpointTest::judged);
        assertGoesOn(
                output -> common(KtoOptions.builder(), output),
                options -> KtoTrainer.train(options.build(), metrics -> {}));
    }

    private static String judged(PreferencePair pair) {
        return "{\"prompt_ids\":" + Arrays.toString(pair.prompt()) + ",\"completion_ids\":"
                + Arrays.toString(pair.chosen()) + ",\"label\":" + (pair.row() % 3 != 0) + "}";
    }

    private void writeRows(String name, Function<PreferencePair, String> row) throws IOException {
        Files.write(directory.resolve(name), TinyRun.pairs(8).stream().map(row).toList());
    }

    /** 12 steps over {@code rows.jsonl}. */
    private <B extends TrainOptionsBuilder<B>> B common(B options, String output) {
        return options.modelNameOrPath(directory.resolve("model"))
                .datasetName(directory.resolve("rows.jsonl"))
                .outputDir(directory.resolve(output))
                .device(IS_CPU ? "cpu" : "cuda")
                .dtype(Precision.FLOAT32)
                .learningRate(1e-2)
                .perDeviceTrainBatchSize(3)
                .loggingSteps(5)
                .maxSteps(12)
                .saveStrategy(SaveStrategy.NO);
    }

    private <B extends TrainOptionsBuilder<B>> void assertGoesOn(Function<String, B> options, Consumer<B> train)
            throws IOException {
        train.accept(options.apply("never"));
        train.accept(options.apply("all").saveStrategy(SaveStrategy.STEPS).saveSteps(3));
        for (int step = 3; step < 12; step += 3) {
            Path checkpoint = directory.resolve("all/checkpoint-" + step);
            train.accept(options.apply("from-" + step).resumeFromCheckpoint(checkpoint.toString()));
            assertSame("from-" + step, "never");
        }
    }

    private void train(DpoOptions.Builder options) {
        DpoTrainer.train(options.build(), metrics -> {});
    }

    /** {@code out} with checkpoints after steps 4, 8 and 12. */
    private void trainWithCheckpoints() {
        train(options("out").saveStrategy(SaveStrategy.STEPS).saveSteps(4));
    }

    private DpoOptions.Builder resumed() {
        return options("out").resumeFromCheckpoint("true");
    }

    @Tag("large")
    @Test
    void theNewestCheckpointsAreKept() throws IOException {
        train(options("out").saveStrategy(SaveStrategy.STEPS).saveSteps(0.25).saveTotalLimit(2));
        assertThat(checkpoints("out")).containsExactly("checkpoint-12", "checkpoint-9");
        train(options("out").overwriteOutputDir(true).saveStrategy(SaveStrategy.EPOCH));
        assertThat(checkpoints("out"))
                .containsExactly(
                        "checkpoint-10",
                        "checkpoint-12",
                        "checkpoint-2",
                        "checkpoint-4",
                        "checkpoint-6",
                        "checkpoint-8");
    }

    private List<String> checkpoints(String output) throws IOException {
        try (Stream<Path> files = Files.list(directory.resolve(output))) {
            return files.filter(file -> file.getFileName().toString().startsWith("checkpoint-"))
                    .map(file -> file.getFileName().toString())
                    .sorted()
                    .toList();
        }
    }

    /** A checkpoint is a model with its tokenizer. */
    @Tag("large")
    @Test
    void aCheckpointIsAModel() throws IOException {
        trainWithCheckpoints();
        assertThat(directory.resolve("out/checkpoint-12/model.safetensors"))
                .hasSameBinaryContentAs(directory.resolve("out/model.safetensors"));
        assertThat(directory.resolve("out/checkpoint-8/additional_chat_templates/rag.jinja"))
                .hasContent("x");
        train(options("only").saveStrategy(SaveStrategy.STEPS).saveSteps(4).saveOnlyModel(true));
        assertThat(directory.resolve("only/checkpoint-4/optimizer.safetensors")).doesNotExist();
        assertRefused(
                () -> train(options("only").resumeFromCheckpoint("true")),
                "checkpoint-12 was written with save_only_model");
    }

    @Tag("large")
    @ParameterizedTest
    @ValueSource(strings = {"optimizer.safetensors", "model.safetensors", "trainer_state.json", "config.json"})
    void aDamagedCheckpointIsNamedAndTheOneBeforeItOffered(String file) throws IOException {
        trainWithCheckpoints();
        Path damaged = directory.resolve("out/checkpoint-12").resolve(file);
        byte[] bytes = Files.readAllBytes(damaged);
        bytes[bytes.length / 2] ^= 1;
        Files.write(damaged, bytes);
        assertRefused(
                () -> train(resumed()),
                damaged + " is not as it was written",
                "resume_from_checkpoint " + directory.resolve("out/checkpoint-8"));
        Files.write(damaged, Arrays.copyOf(bytes, bytes.length - 1));
        assertRefused(
                () -> train(resumed()), damaged + " has " + (bytes.length - 1) + " bytes, not the " + bytes.length);
        Files.delete(damaged);
        assertRefused(() -> train(resumed()), damaged + " is missing");
        Path manifest = directory.resolve("out/checkpoint-12/manifest.json");
        Files.write(manifest, Arrays.copyOf(Files.readAllBytes(manifest), 40));
        assertRefused(
                () -> train(resumed()),
                manifest
                        + " is damaged, so the files of the checkpoint cannot be checked; go on from the one before it");
        Files.writeString(manifest, "{\"format\": 1}");
        assertRefused(() -> train(resumed()), manifest + " is damaged");
        Files.delete(manifest);
        assertRefused(() -> train(resumed()), "checkpoint-12 has no manifest.json, so it was not written completely");
    }

    @Tag("large")
    @Test
    void optionsAndRowsThatChangeTheWeightsMayNotChange() throws IOException {
        trainWithCheckpoints();
        assertRefused(
                () -> train(resumed().learningRate(0.5)), "learning_rate is 0.5 but was 0.01", "cannot change it");
        assertRefused(() -> train(resumed().seed(7)), "seed is 7 but was 42");
        assertRefused(() -> train(resumed().beta(0.3f)), "loss is ", "beta 0.3");
        List<String> rows = Files.readAllLines(directory.resolve("pairs.jsonl"));
        Collections.swap(rows, 1, 2);
        Files.write(directory.resolve("other.jsonl"), rows);
        assertRefused(
                () -> train(resumed().datasetName(directory.resolve("other.jsonl"))), "dataset_name has other rows");
        Recorder listener = new Recorder();
        DpoTrainer.train(
                resumed()
                        .maxSteps(14)
                        .loggingSteps(1)
                        .saveStrategy(SaveStrategy.STEPS)
                        .saveSteps(7)
                        .build(),
                listener);
        assertThat(listener.notices)
                .contains(
                        "the run has 14 steps, but the run of the checkpoint had 12: the learning rate goes on as linear"
                                + " over 14 steps, so the result is that of neither run");
        assertThat(lines("out")).last().asString().contains("\"step\":14");
        assertThat(checkpoints("out")).contains("checkpoint-14", "checkpoint-8");
    }

    /** The checkpoint of step 8 cannot be written: a file of the tokenizer is a link to nothing, until the question. */
    private class FailedCheckpoint extends Recorder {
        private final Path link = directory.resolve("model/vocab.txt");
        private final boolean isTriedAgain;

        FailedCheckpoint(boolean isTriedAgain) {
            this.isTriedAgain = isTriedAgain;
        }

        @Override
        public void progress(String phase, long done, long total) {
            try {
                if (phase.equals("training") && done == 7) {
                    Files.createSymbolicLink(link, directory.resolve("absent"));
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public boolean isSaveTriedAgain(String why) {
            notices.add(why);
            try {
                Files.delete(link);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            return isTriedAgain;
        }
    }

    private DpoOptions saving(OnFailedCheckpoint onFailed) {
        return options("out")
                .saveStrategy(SaveStrategy.STEPS)
                .saveSteps(4)
                .onFailedCheckpoint(onFailed)
                .build();
    }

    @Tag("large")
    @Test
    void aFailedCheckpointEndsTheRunUnlessTrainingIsToGoOn() throws IOException {
        train(options("never"));
        FailedCheckpoint stopped = new FailedCheckpoint(false);
        Path failed = directory.resolve("out/checkpoint-8");
        assertRefused(
                () -> DpoTrainer.train(saving(OnFailedCheckpoint.STOP), stopped),
                failed + " cannot be written (it does not exist)",
                "resume_from_checkpoint " + directory.resolve("out/checkpoint-4"),
                "on_failed_checkpoint continue");
        assertThat(stopped.notices).last().isEqualTo("saved the weights of step 8 in " + directory.resolve("out"));
        assertThat(checkpoints("out")).containsExactly("checkpoint-4");
        train(resumed());
        assertSame("out", "never");

        FailedCheckpoint unasked = new FailedCheckpoint(false);
        DirectoryFiles.deleteTree(directory.resolve("out"));
        DpoTrainer.train(saving(OnFailedCheckpoint.CONTINUE), unasked);
        assertThat(unasked.notices)
                .last()
                .asString()
                .startsWith(failed + " cannot")
                .contains("training goes on");
        assertThat(checkpoints("out")).containsExactly("checkpoint-12", "checkpoint-4");
        assertSame("out", "never");

        DirectoryFiles.deleteTree(directory.resolve("out"));
        DpoTrainer.train(saving(OnFailedCheckpoint.STOP), new FailedCheckpoint(true));
        assertThat(checkpoints("out")).containsExactly("checkpoint-12", "checkpoint-4", "checkpoint-8");
        assertSame("out", "never");
    }

    /** A constant rate does not depend on the number of steps. */
    @Tag("large")
    @Test
    void aRunWithAConstantRateGoesOnForMoreSteps() throws IOException {
        UnaryOperator<DpoOptions.Builder> constant =
                options -> options.lrSchedulerType(LrSchedulerType.CONSTANT_WITH_WARMUP);
        train(constant.apply(options("never")));
        train(constant.apply(options("out").saveStrategy(SaveStrategy.STEPS).saveSteps(4))
                .maxSteps(4));
        Recorder listener = new Recorder();
        DpoTrainer.train(constant.apply(resumed()).build(), listener);
        assertThat(listener.notices).noneMatch(line -> line.contains("learning rate"));
        assertThat(directory.resolve("out/model.safetensors"))
                .hasSameBinaryContentAs(directory.resolve("never/model.safetensors"));
    }

    @Tag("large")
    @Test
    void whatCannotBeResumedIsRefused() {
        assertRefused(() -> train(resumed()), "output_dir " + directory.resolve("out") + " has no checkpoint");
        assertRefused(
                () -> train(options("out")
                        .resumeFromCheckpoint(directory.resolve("model").toString())),
                "model is not a directory checkpoint-STEP");
        trainWithCheckpoints();
        assertRefused(
                () -> train(options("out")), "holds checkpoint-12 of an earlier run", "resume_from_checkpoint true");
        Recorder listener = new Recorder();
        assertRefused(
                () -> DpoTrainer.train(resumed().maxSteps(11).build(), listener),
                "checkpoint-12 is beyond the run's 11 steps");
        assertThat(listener.notices).isEmpty();
        assertThat(listener.headers).isEmpty();
    }
}
