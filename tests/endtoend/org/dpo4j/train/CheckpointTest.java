package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.conformance.TestDevices;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.LossType;
import org.dpo4j.model.family.Llama;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A run that goes on from a checkpoint ends with the same bytes as a run that never stopped. */
class CheckpointTest extends CheckpointFixture {
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
        DpoTrainer.train(variant.apply(steps("never")).build(), metrics -> {});
        DpoTrainer.train(
                variant.apply(steps("all").saveStrategy(SaveStrategy.STEPS).saveSteps(1))
                        .build(),
                metrics -> {});
        assertSame("all", "never");
        // runs take long on the emulated device
        for (int step : IS_CPU ? new int[] {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12} : new int[] {5}) {
            String output = "from-" + step;
            Path checkpoint = directory.resolve("all/checkpoint-" + step);
            DpoTrainer.train(
                    variant.apply(steps(output).resumeFromCheckpoint(checkpoint.toString()))
                            .datasetCache(true)
                            .datasetCacheDir(directory.resolve("cache"))
                            .build(),
                    metrics -> {});
            assertSame(output, "never");
        }
    }

    /** On cuda 8 steps, with one evaluation and one line of metrics before the last. */
    private DpoOptions.Builder steps(String output) {
        return options(output).maxSteps(IS_CPU ? 12 : 8);
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
                .device(TestDevices.option())
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
}
