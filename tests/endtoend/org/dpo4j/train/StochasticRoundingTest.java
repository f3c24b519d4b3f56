package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachBf16Device;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.junit.jupiter.api.Tag;

/** Training of bf16 weights without f32 master weights. */
class StochasticRoundingTest {
    private static final List<PreferencePair> PAIRS = TinyRun.pairs(8);

    private static DpoOptions.Builder options() {
        return TinyRun.options().dtype(Precision.BFLOAT16).bf16StochasticRound(true);
    }

    private static TinyRun run(On on, DpoOptions.Builder options) {
        return TinyRun.dpo(on, PAIRS, options.build());
    }

    /**
     * The thresholds are those of the same run with master weights. Adam's first steps change every weight by about the
     * learning rate, 1e-2. Weights begin with a standard deviation of 0.02. Rounding changes a weight of that magnitude
     * by at most the distance of its neighbours, 2^-13, with a random sign. Over 20 steps this is a random walk with a
     * standard deviation of at most sqrt(20) 2^-14, 3% of one step. bf16 moments change a step by at most 2^-8 of
     * itself, at random.
     */
    @OnEachBf16Device
    @Tag("large")
    void theMarginRisesWithF32AndWithBf16Moments(On on) {
        for (Precision moments : new Precision[] {Precision.FLOAT32, Precision.BFLOAT16}) {
            TinyRun run = run(on, options().adamMomentsDtype(moments).maxSteps(20));
            assertThat(run.last("rewards/margins")).isGreaterThan(0.5);
            assertThat(run.last("rewards/accuracies")).isEqualTo(1);
            assertThat(run.last("loss")).isLessThan(0.4);
        }
    }

    /** With the thresholds of the other moments. Those of the embedding have 8 bits, so it has 8 bytes a parameter. */
    @OnEachBf16Device
    @Tag("large")
    void theMarginRisesWithMomentsOf8Bits(On on) {
        ModelConfig config = Llama.config(300, 16, 24, 2, 2, 1, 64, true);
        DpoOptions options =
                options().optim(OptimizerName.ADAMW_8BIT).maxSteps(20).build();
        try (Model model = Model.create(config, on.device(), DType.BF16, 3)) {
            TinyRun run = TinyRun.dpo(model, PAIRS, List.of(), options);
            assertThat(run.last("rewards/margins")).isGreaterThan(0.5);
            assertThat(run.last("rewards/accuracies")).isEqualTo(1);
            assertThat(run.last("loss")).isLessThan(0.4);
        }
    }

    /**
     * Adam's first step changes each of n weights by the learning rate r, whatever its gradient, if that is far above
     * epsilon. With r far below the distance s of a weight's neighbours, a weight goes to the next one with probability
     * r / s, so the sum of all changes has mean n r and variance sum(r s - r^2). The tolerance is six standard deviations,
     * plus the f32 rounding of each exact weight. Rounding to nearest would leave most weights where they are.
     */
    @OnEachBf16Device
    void updatesFarBelowTheLastPlaceAreRightOnAverage(On on) {
        double rate = 1e-5;
        try (Model model = TinyRun.model(on)) {
            float[] before = TinyRun.weights(model);
            TinyRun run = TinyRun.dpo(
                    model,
                    PAIRS,
                    List.of(),
                    options().learningRate(rate).adamEpsilon(1e-12).maxSteps(1).build());
            double expected = rate * model.parameters().parameterCount();
            double changed = 0;
            double variance = 0;
            double roundings = 0;
            for (int i = 0; i < before.length; i++) {
                changed += Math.abs((double) run.weights()[i] - before[i]);
                double neighbours = Math.ulp(before[i]) * 0x1p16;
                variance += Math.max(0, rate * neighbours - rate * rate);
                roundings += Math.ulp(before[i]) / 2;
            }
            assertThat(Math.abs(changed - expected))
                    .as("changes of %.4g in all, expected %.4g", changed, expected)
                    .isLessThan(6 * Math.sqrt(variance) + roundings);
        }
    }

    private static float[] weightsAfterTwoSteps(Device device, DpoOptions.Builder options) {
        return TinyRun.dpo(device, DType.BF16, PAIRS, options.maxSteps(2).build())
                .weights();
    }

    @OnEachBf16Device
    void theSameSeedGivesTheSameBitsAndEachOptionOthers(On on) {
        float[] one = weightsAfterTwoSteps(on.device(), options());
        assertThat(weightsAfterTwoSteps(on.again(), options())).isEqualTo(one);
        assertThat(weightsAfterTwoSteps(on.device(), options().bf16StochasticRound(false)))
                .as("rounded to nearest")
                .isNotEqualTo(one);
        float[] smallMoments = weightsAfterTwoSteps(on.device(), options().adamMomentsDtype(Precision.BFLOAT16));
        assertThat(smallMoments).isNotEqualTo(one);
        assertThat(weightsAfterTwoSteps(on.again(), options().adamMomentsDtype(Precision.BFLOAT16)))
                .isEqualTo(smallMoments);
    }
}
