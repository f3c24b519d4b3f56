package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.kernels.DType;
import org.dpo4j.model.Model;
import org.dpo4j.report.Metrics;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where {@code neftune_noise_alpha} adds noise. EmbeddingNoiseTest tests its values. */
class NeftuneTest {
    private static final double ALPHA = 20;

    /** The losses of pairs have the same bits; their sums are in double precision, in another order. */
    private static final double SUMS = 1e-12;

    private static double loss(Metrics line, String name) {
        return Objects.requireNonNull(line.values().get(name));
    }

    /** At step 0, the loss of a policy that equals its reference is ln 2, but with noise in the policy alone it is not. */
    @OnEachDevice
    void onlyTrainingHasNoise(On on) {
        DpoOptions.Builder options = TinyRun.options()
                .evalDataset(Path.of("unread"))
                .evalOnStart(true)
                .perDeviceTrainBatchSize(4)
                .maxSteps(1);
        assertThat(losses(on, options)).allSatisfy(loss -> assertThat(loss).isCloseTo(Math.log(2), within(1e-7)));
        List<Double> noisy = losses(on, options.neftuneNoiseAlpha(ALPHA));
        assertThat(noisy.get(0)).isCloseTo(Math.log(2), within(1e-7)); // the float next to ln 2
        assertThat(Math.abs(noisy.get(1) - Math.log(2))).isGreaterThan(1e-3);
    }

    /** The loss of an evaluation before the first step, then that of the first step. */
    private static List<Double> losses(On on, DpoOptions.Builder options) {
        try (Model model = TinyRun.model(on.device(), DType.F32)) {
            List<Metrics> lines = TinyRun.dpo(model, TinyRun.pairs(8), TinyRun.pairs(8), options.build())
                    .history();
            return List.of(loss(lines.get(0), "eval_loss"), loss(lines.get(1), "loss"));
        }
    }

    /** The noise of a row depends on its number in the data, not on the rows of its micro-batch. */
    @OnEachDevice
    void microBatchesDoNotChangeTheNoise(On on) {
        DpoOptions.Builder options =
                TinyRun.options().neftuneNoiseAlpha(ALPHA).maxSteps(2).learningRate(0);
        List<Metrics> whole = TinyRun.dpo(
                        on.device(),
                        DType.F32,
                        TinyRun.pairs(8),
                        options.perDeviceTrainBatchSize(4).build())
                .history();
        List<Metrics> split = TinyRun.dpo(
                        on.device(),
                        DType.F32,
                        TinyRun.pairs(8),
                        options.perDeviceTrainBatchSize(1)
                                .gradientAccumulationSteps(4)
                                .build())
                .history();
        for (int i = 0; i < 2; i++) {
            assertThat(loss(split.get(i), "loss")).isCloseTo(loss(whole.get(i), "loss"), within(SUMS));
        }
        assertThat(loss(whole.get(0), "loss")).isNotCloseTo(loss(whole.get(1), "loss"), within(SUMS));
    }

    @Test
    void theHeaderSaysSo(@TempDir Path directory) throws IOException {
        TinyRun.writeModelAndPairs(directory);
        Recorder listener = new Recorder();
        DpoTrainer.train(
                TinyRun.options(directory, "out")
                        .neftuneNoiseAlpha(5)
                        .maxSteps(1)
                        .build(),
                listener);
        assertThat(listener.headers.get(0).facts().get("noise"))
                .startsWith("up to 5.0 / sqrt(length x 16) on the embeddings of training passes (NEFTune)")
                .endsWith("not ln 2");
    }
}
