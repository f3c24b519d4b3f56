package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
 * Runs that end before their last step. What they save is, byte for byte, what a run of as many steps saves: the rate is
 * constant, so that it does not depend on the number of steps.
 */
class EarlyEndTest {
    @TempDir
    private Path directory;

    /** Keeps notices; cancels once {@code cancels} says so of the number of the question. */
    private static class Listener implements RunListener {
        final List<String> notices = new ArrayList<>();
        private final IntPredicate cancels;
        private int asked;
        int trained;

        Listener(IntPredicate cancels) {
            this.cancels = cancels;
        }

        Listener() {
            this(asked -> false);
        }

        @Override
        public void metrics(Metrics metrics) {}

        @Override
        public void progress(String phase, long done, long total) {
            if (phase.equals("training")) {
                trained = (int) done;
            }
        }

        @Override
        public void notice(String line) {
            notices.add(line);
        }

        @Override
        public boolean isCancelled() {
            return cancels.test(++asked);
        }
    }

    @BeforeEach
    void makeModelAndPairs() throws IOException {
        TinyRun.writeModelAndPairs(directory);
    }

    private DpoOptions.Builder options(String output) {
        return TinyRun.options()
                .modelNameOrPath(directory.resolve("model"))
                .datasetName(directory.resolve("pairs.jsonl"))
                .outputDir(directory.resolve(output))
                .device("cpu")
                .perDeviceTrainBatchSize(3)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .maxSteps(60);
    }

    /**
     * Weight decay of 11 at a rate of 1 multiplies matrices by -10. Activations are products of up to three matrices whose
     * weights begin at some 0.1, and the squares of what exceeds 1.8e19 overflow in a norm: once weights are 3e6, after
     * some 7 steps.
     */
    private DpoOptions.Builder exploding(String output) {
        return options(output).learningRate(1).weightDecay(11).maxGradNorm(0);
    }

    private void assertWeightsOf(DpoOptions.Builder expected, int steps) {
        DpoTrainer.train(
                expected.outputDir(directory.resolve("expected"))
                        .maxSteps(steps)
                        .build(),
                metrics -> {});
        assertThat(directory.resolve("out/model.safetensors"))
                .hasSameBinaryContentAs(directory.resolve("expected/model.safetensors"));
        assertThat(directory.resolve("out")).isDirectoryNotContaining("glob:**/.*");
    }

    private String saved(int step) {
        return "saved the weights of step " + step + " in " + directory.resolve("out");
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 1000})
    void theLastFiniteStepIsSavedWhereAGradientIsNotFinite(int loggingSteps) {
        Listener listener = new Listener();
        assertThatThrownBy(() -> DpoTrainer.train(
                        exploding("out").loggingSteps(loggingSteps).build(), listener))
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
                Model model = Model.create(TinyRun.CONFIG, device, DType.F32, 3)) {
            ParameterTensor embedding = model.parameters().tensor("model.embed_tokens.weight");
            float[] weights = model.parameters().readWeights(embedding);
            weights[0] = 1e4f; // of a token that is in no pair
            model.parameters().writeWeights(embedding, weights);
            model.save(directory.resolve("model"), DType.F32);
        }
        DpoOptions.Builder options = options("out").learningRate(1e30).weightDecay(1e6);
        assertThatThrownBy(() -> DpoTrainer.train(options.maxSteps(1).build(), metrics -> {}))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContainingAll(
                        "the weights of step 1 are not finite", "model.embed_tokens.weight", "not saved");
        Listener listener = new Listener();
        assertThatThrownBy(() -> DpoTrainer.train(options.maxSteps(9).build(), listener))
                .hasMessageContaining("the gradient of step 2 is not finite");
        assertThat(listener.notices)
                .singleElement()
                .asString()
                .contains("the weights of step 1 are lost", "not finite");
        assertThat(directory.resolve("out/model.safetensors")).doesNotExist();
    }

    @Test
    void aRunThatIsCancelledBeforeItBeginsWritesNothing() {
        assertThatThrownBy(() -> DpoTrainer.train(options("out").build(), new Listener(asked -> true)))
                .isInstanceOf(CancellationException.class);
        assertThat(directory.resolve("out")).doesNotExist();
    }

    /** A question before the run, and one a micro-batch: those of the reference are 3, a step has 2. */
    @ParameterizedTest
    @ValueSource(ints = {5, 6, 7, 18})
    void aListenerEndsARun(int question) {
        Listener listener = new Listener(asked -> asked >= question);
        assertThatThrownBy(() -> DpoTrainer.train(accumulating("out").build(), listener))
                .isInstanceOf(CancellationException.class);
        int step = (question - 5) / 2;
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

    /** The questions: 1 before the run, 2 of the reference, 1 a step, and the sixth in the evaluation after step 2. */
    @Test
    void anEvaluationEndsToo() {
        DpoOptions.Builder options = options("out")
                .perDeviceTrainBatchSize(8)
                .perDeviceEvalBatchSize(8)
                .evalDataset(directory.resolve("pairs.jsonl"))
                .evalSteps(2);
        Listener listener = new Listener(asked -> asked >= 6);
        assertThatThrownBy(() -> DpoTrainer.train(options.build(), listener)).isInstanceOf(CancellationException.class);
        assertThat(listener.notices).containsExactly(saved(2));
        assertWeightsOf(options, 2);
    }

    /** What an executor's shutdownNow does; it comes between the steps, and once more while the model is written. */
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
        Throwable thrown = catchThrowable(() -> DpoTrainer.train(options("out").build(), listener));
        assertThat(Thread.interrupted()).isTrue();
        assertThat(thrown).isInstanceOf(CancellationException.class);
        assertThat(listener.notices).containsExactly(saved(5));
        assertWeightsOf(options("out"), 5);
    }

    /** It does not close the files of the last step. */
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
        assertThatThrownBy(() -> DpoTrainer.train(options("out").build(), listener))
                .hasMessage("planted");
        assertThat(listener.notices).containsExactly(saved(4));
        assertWeightsOf(options("out"), 4);
    }

    @Test
    void metricsThatTheDiskDoesNotTakeEndNoRun() throws IOException {
        assumeTrue(Files.exists(Path.of("/dev/full")), "skipped: there is no /dev/full here");
        Files.createDirectory(directory.resolve("out"));
        Files.createSymbolicLink(directory.resolve("out/metrics.jsonl"), Path.of("/dev/full"));
        Listener listener = new Listener();
        assertThatThrownBy(() -> DpoTrainer.train(options("out").maxSteps(4).build(), listener))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContainingAll("metrics.jsonl lacks the last 4 lines", "No space left");
        assertThat(listener.notices).hasSize(2).last().isEqualTo(saved(4));
        assertThat(listener.notices.get(0)).contains("metrics.jsonl", "training goes on");
        assertWeightsOf(options("out"), 4);
    }

    /** A directory stands where the weights go, until the listener is asked. */
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
        DpoTrainer.train(options("out").maxSteps(2).overwriteOutputDir(true).build(), listener);
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
        DpoTrainer.train(options("out").maxSteps(1).build(), metrics -> {});
        Path config = directory.resolve("out/config.json");
        Files.delete(config);
        Files.createDirectories(config.resolve("in the way"));
        byte[] before = Files.readAllBytes(directory.resolve("out/model.safetensors"));
        assertThatThrownBy(() -> DpoTrainer.train(
                        options("out").maxSteps(2).overwriteOutputDir(true).build(), metrics -> {}))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContainingAll("cannot be written to output_dir", "it needs ", "are free");
        assertThat(directory.resolve("out/model.safetensors")).hasBinaryContent(before);
        assertThat(directory.resolve("out/.writing")).doesNotExist();
    }
}
