package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.dpo4j.model.RefusalAssertions.assertRefused;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.IntPredicate;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.model.ParameterTensor;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunListener;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Runs that end before their last step. They save the same bytes as a run of as many steps: the learning rate is
 * constant, so it does not depend on the number of steps.
 */
class EarlyEndTest {
    @TempDir
    private Path directory;

    /**
     * Counts trained steps; cancels the run once {@code cancels} accepts the number of the question. Questions before the
     * reference have the number 0.
     */
    private static class Listener extends Recorder {
        private final IntPredicate cancels;
        private int asked;
        private boolean isReading = true;
        int trained;

        Listener(IntPredicate cancels) {
            this.cancels = cancels;
        }

        Listener() {
            this(asked -> false);
        }

        @Override
        public void progress(String phase, long done, long total) {
            isReading &= !phase.equals("reference log-probs");
            if (phase.equals("training")) {
                trained = (int) done;
            }
        }

        @Override
        public boolean isCancelled() {
            asked += isReading ? 0 : 1;
            return cancels.test(asked);
        }
    }

    @BeforeEach
    void makeModelAndPairs() throws IOException {
        TinyRun.writeModelAndPairs(directory);
    }

    private DpoOptions.Builder options(String output) {
        return TinyRun.options(directory, output)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .maxSteps(60)
                .maxNonfiniteSteps(0)
                .saveStrategy(SaveStrategy.NO);
    }

    private static void train(DpoOptions.Builder options, RunListener listener) {
        DpoTrainer.train(options.build(), listener);
    }

    private void assertCancelled(DpoOptions.Builder options, Listener listener) {
        assertThatThrownBy(() -> train(options, listener)).isInstanceOf(CancellationException.class);
    }

    /**
     * Weight decay of 11 at a learning rate of 1 multiplies matrices by -10. Activations are products of up to three
     * matrices whose weights begin at about 0.1. A norm overflows once activations exceed 1.8e19, which is when weights are
     * 3e6, after about 7 steps.
     */
    private DpoOptions.Builder exploding(String output) {
        return options(output).learningRate(1).weightDecay(11).maxGradNorm(0);
    }

    private void assertWeightsOf(DpoOptions.Builder expected, int steps) {
        train(expected.outputDir(directory.resolve("expected")).maxSteps(steps), metrics -> {});
        assertThat(directory.resolve("out/model.safetensors"))
                .hasSameBinaryContentAs(directory.resolve("expected/model.safetensors"));
        assertThat(directory.resolve("out")).isDirectoryNotContaining("glob:**/.*");
    }

    private String saved(int step) {
        return "saved the weights of step " + step + " in " + directory.resolve("out");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 1000})
    void theLastFiniteStepIsSavedIfAGradientIsNotFinite(int loggingSteps) {
        Listener listener = new Listener();
        Throwable thrown = catchThrowable(() -> train(exploding("out").loggingSteps(loggingSteps), listener));
        assertThat(thrown)
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("the gradient of step " + (listener.trained + 1) + " is not finite");
        assertThat(listener.trained).isBetween(5, 10);
        assertThat(listener.notices).containsExactly(saved(listener.trained));
        assertWeightsOf(exploding("out"), listener.trained);
    }

    /** The first step multiplies weights by -1e36, with a gradient that is finite: a weight of 1e4 overflows. */
    @Test
    void weightsThatAreNotFiniteAreNotSaved() {
        try (Device device = Devices.cpu(1);
                Model model = TinyRun.model(device, DType.F32)) {
            ParameterTensor embedding = model.parameters().tensor("model.embed_tokens.weight");
            float[] weights = model.parameters().readWeights(embedding);
            weights[0] = 1e4f; // of a token that is in no pair
            model.parameters().writeWeights(embedding, weights);
            model.save(directory.resolve("model"), DType.F32);
        }
        DpoOptions.Builder options = options("out").learningRate(1e30).weightDecay(1e6);
        assertRefused(
                () -> train(options.maxSteps(1), metrics -> {}),
                "the weights of step 1 are not finite",
                "model.embed_tokens.weight",
                "not saved");
        Listener listener = new Listener();
        assertRefused(() -> train(options.maxSteps(9), listener), "the gradient of step 2 is not finite");
        assertThat(listener.notices)
                .singleElement()
                .asString()
                .contains("the weights of step 1 are lost", "not finite");
        assertThat(directory.resolve("out/model.safetensors")).doesNotExist();
    }

    @Test
    void aRunThatIsCancelledBeforeItBeginsWritesNothing() {
        assertCancelled(options("out"), new Listener(asked -> true));
        assertThat(directory.resolve("out")).doesNotExist();
    }

    /**
     * The listener is asked twice during the reference, then once per step.
     */
    @ParameterizedTest
    @ValueSource(ints = {3, 4, 5, 9})
    void aListenerEndsARun(int question) {
        Listener listener = new Listener(asked -> asked >= question);
        assertCancelled(accumulating("out"), listener);
        int step = question - 3;
        assertThat(listener.trained).isEqualTo(step);
        if (step == 0) {
            assertThat(listener.notices).containsExactly("no step was trained: nothing is saved");
            assertThat(directory.resolve("out/model.safetensors")).doesNotExist();
        } else {
            assertThat(listener.notices).containsExactly(saved(step));
            assertWeightsOf(accumulating("out"), step);
        }
    }

    private DpoOptions.Builder accumulating(String output) {
        return options(output)
                .perDeviceTrainBatchSize(2)
                .gradientAccumulationSteps(2)
                .perDeviceEvalBatchSize(3);
    }

    /**
     * The listener is asked twice during the reference, once per step, and the fifth time in the evaluation after step
     * 2.
     */
    @Test
    void aListenerEndsARunDuringAnEvaluation() {
        DpoOptions.Builder options = options("out")
                .perDeviceTrainBatchSize(8)
                .perDeviceEvalBatchSize(8)
                .evalDataset(directory.resolve("pairs.jsonl"))
                .evalSteps(2);
        Listener listener = new Listener(asked -> asked >= 5);
        assertCancelled(options, listener);
        assertThat(listener.notices).endsWith(saved(2));
        assertWeightsOf(options, 2);
    }

    /** An executor's shutdownNow interrupts. The interrupt comes between steps, and is still set while the model is written. */
    @Test
    void anInterruptEndsARunAndIsPassedOn() {
        Listener listener = new Listener() {
            @Override
            public void progress(String phase, long done, long total) {
                super.progress(phase, done, total);
                if (phase.equals("training") && done == 5) {
                    Thread.currentThread().interrupt();
                }
            }
        };
        Throwable thrown = catchThrowable(() -> train(options("out"), listener));
        assertThat(Thread.interrupted()).isTrue();
        assertThat(thrown).isInstanceOf(CancellationException.class);
        assertThat(listener.notices).containsExactly(saved(5));
        assertWeightsOf(options("out"), 5);
    }

    /** An interrupt closes channels in use; the files of the last step must be written all the same. */
    @Test
    void anInterruptAfterTheLastStepLosesNothing() {
        Listener listener = new Listener() {
            @Override
            public void progress(String phase, long done, long total) {
                if (phase.equals("training") && done == total) {
                    Thread.currentThread().interrupt();
                }
            }
        };
        List<Metrics> history = DpoTrainer.train(options("out").maxSteps(3).build(), listener);
        assertThat(Thread.interrupted()).isTrue();
        assertThat(history).hasSize(3);
        assertWeightsOf(options("out"), 3);
    }

    @Test
    void aListenerThatFailsLosesNothing() {
        Listener listener = new Listener() {
            @Override
            public void metrics(Metrics metrics) {
                if (metrics.step() == 4) {
                    throw new UnsupportedOperationException("planted");
                }
            }
        };
        assertThatThrownBy(() -> train(options("out"), listener)).hasMessage("planted");
        assertThat(listener.notices).containsExactly(saved(4));
        assertWeightsOf(options("out"), 4);
    }

    @Test
    void aFullDiskForMetricsDoesNotEndTheRun() throws IOException {
        assumeTrue(Files.exists(Path.of("/dev/full")), "skipped: there is no /dev/full here");
        Files.createDirectory(directory.resolve("out"));
        Files.createSymbolicLink(directory.resolve("out/metrics.jsonl"), Path.of("/dev/full"));
        Listener listener = new Listener();
        assertRefused(
                () -> train(options("out").maxSteps(4), listener),
                "metrics.jsonl lacks the last 4 lines",
                "No space left");
        assertThat(listener.notices).hasSize(2).last().isEqualTo(saved(4));
        assertThat(listener.notices.get(0)).contains("metrics.jsonl", "training goes on");
        assertWeightsOf(options("out"), 4);
    }

    /** A directory is in the way of the weights until the listener deletes it. */
    @Test
    void aSaveIsTriedAgainAsOftenAsTheListenerWants() throws IOException {
        Path inTheWay = Files.createDirectories(directory.resolve("out/model.safetensors/deeper"));
        Listener listener = new Listener() {
            @Override
            public boolean isSaveTriedAgain(String why) {
                notices.add(why);
                return notices.size() < 3 || delete(inTheWay);
            }
        };
        train(options("out").maxSteps(2).overwriteOutputDir(true), listener);
        assertThat(listener.notices)
                .hasSize(3)
                .allMatch(why -> why.contains("the model cannot be written to output_dir " + directory.resolve("out")));
        assertWeightsOf(options("out"), 2);
    }

    private static boolean delete(Path inTheWay) {
        try {
            Files.delete(inTheWay);
            Files.delete(inTheWay.getParent());
            return true;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void aModelThatCannotBeReplacedStays() throws IOException {
        train(options("out").maxSteps(1), metrics -> {});
        Path config = directory.resolve("out/config.json");
        Files.delete(config);
        Files.createDirectories(config.resolve("in the way"));
        byte[] before = Files.readAllBytes(directory.resolve("out/model.safetensors"));
        assertRefused(
                () -> train(options("out").maxSteps(2).overwriteOutputDir(true), metrics -> {}),
                "cannot be written to output_dir",
                "it needs ",
                "are free");
        assertThat(directory.resolve("out/model.safetensors")).hasBinaryContent(before);
        assertThat(directory.resolve("out/.writing")).doesNotExist();
    }
}
