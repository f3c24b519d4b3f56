package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Objects;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.model.Model;
import org.dpo4j.model.Parameters;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The average of weights that {@code use_ema} keeps: its values, skipped steps, and the model that is saved. */
class WeightAverageTest {
    private static final double DECAY = 0.75;

    @TempDir
    private Path directory;

    private DpoOptions.Builder options(String output) {
        return TinyRun.options(directory, output).dtype(Precision.FLOAT32).maxSteps(3);
    }

    private static float[] weights(Path model) {
        try (Device device = Devices.cpu(1);
                Model loaded = Model.load(model, device, DType.F32)) {
            return TinyRun.weights(loaded);
        }
    }

    /** Moves the average in double precision, which here is as good as exact. */
    private static void move(double[] average, float[] weights) {
        Arrays.setAll(average, i -> DECAY * average[i] + (1 - DECAY) * weights[i]);
    }

    private static double[] doubles(float[] values) {
        double[] doubles = new double[values.length];
        Arrays.setAll(doubles, i -> values[i]);
        return doubles;
    }

    /** Each move rounds a difference, a product and a sum of numbers whose sizes are at most {@code max}. */
    private static double tolerance(int moves, double max) {
        return moves * 3 * Tolerance.U * 2 * max;
    }

    private static void assertNear(float[] found, double[] expected, int moves) {
        double max = Arrays.stream(expected).map(Math::abs).max().orElseThrow() + 1e-1; // three steps of 1e-2 at most
        double allowed = tolerance(moves, max);
        for (int i = 0; i < found.length; i++) {
            assertThat(Math.abs(found[i] - expected[i])).isLessThanOrEqualTo(allowed);
        }
    }

    /** The average of the weights in the checkpoints of a run without it. The model itself does not change. */
    @Test
    void isSavedAsAModelBesideTheTrainedOne() throws IOException {
        TinyRun.writeModelAndPairs(directory);
        DpoTrainer.train(
                options("plain").saveStrategy(SaveStrategy.STEPS).saveSteps(1).build(), metrics -> {});
        double[] expected = doubles(weights(directory.resolve("model")));
        for (int step = 1; step <= 3; step++) {
            move(expected, weights(directory.resolve("plain/checkpoint-" + step)));
        }
        DpoTrainer.train(options("averaged").useEma(true).emaDecay(DECAY).build(), metrics -> {});
        assertNear(weights(directory.resolve("averaged/ema")), expected, 3);
        assertThat(directory.resolve("averaged/model.safetensors"))
                .hasSameBinaryContentAs(directory.resolve("plain/model.safetensors"));
        assertThat(directory.resolve("plain/ema")).doesNotExist();
        assertRefused(
                () -> DpoTrainer.train(
                        options("plain").useEma(false).emaDecay(0.5).build(), metrics -> {}),
                "ema_decay is 0.5 but use_ema is false");
        DpoTrainer.train(
                options("averaged").overwriteOutputDir(true).build(), metrics -> {}); // replaces all of an earlier run
        assertThat(directory.resolve("averaged/ema")).doesNotExist();
    }

    @Test
    void isNotPutOverAnotherModel() throws IOException {
        TinyRun.writeModelAndPairs(directory);
        Files.createDirectories(directory.resolve("out"));
        Files.move(directory.resolve("model"), directory.resolve("out/ema"));
        TinyRun.writeModelAndPairs(directory);
        assertRefused(
                () -> DpoTrainer.train(options("out").useEma(true).build(), metrics -> {}),
                "out/ema holds a model already");
    }

    /** With bf16 weights, the average is that of the master weights, which follow AdamW's path from the initial ones. */
    @OnEachDType
    void aSkippedStepDoesNotMoveIt(On on) {
        TrainOptions options =
                TinyRun.options().useEma(true).emaDecay(DECAY).build().train();
        try (Model model = TinyRun.model(on);
                Optimizer optimizer = new Optimizer(model.parameters(), options, CountStep.Sums.NONE, 3)) {
            float[] first = step(model, optimizer, 1);
            assertThat(step(model, optimizer, Float.NaN)).isEqualTo(first);
            assertThat(step(model, optimizer, 1)).isNotEqualTo(first);
        }
    }

    /** The average after a step, as weights of the model, whose own weights are the same before and after. */
    private static float[] step(Model model, Optimizer optimizer, float gradient) {
        Parameters parameters = model.parameters();
        float[] values = new float[Math.toIntExact(parameters.count())];
        values[0] = gradient;
        ByteBuffer bytes = ByteBuffer.allocateDirect(4 * values.length).order(ByteOrder.nativeOrder());
        bytes.asFloatBuffer().put(values);
        model.device().upload(parameters.gradients(), bytes);
        optimizer.step(0.5);
        float[] before = TinyRun.weights(model);
        float[][] average = new float[1][];
        Objects.requireNonNull(optimizer.average()).during(() -> average[0] = TinyRun.weights(model));
        assertThat(TinyRun.weights(model)).isEqualTo(before);
        return average[0];
    }
}
