package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachBf16Device;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.model.Model;
import org.junit.jupiter.api.Test;

/** Training of bf16 weights that have no f32 master. */
class StochasticRoundingTest {
    private static final List<PreferencePair> PAIRS = TinyRun.pairs(8);

    private static DpoOptions.Builder options() {
        return TinyRun.options().dtype(Precision.BFLOAT16).bf16StochasticRound(true);
    }

    private static TinyRun run(On on, DpoOptions.Builder options) {
        return TinyRun.dpo(on.device(), DType.BF16, PAIRS, options.build());
    }

    /**
     * The thresholds of the same run with master weights. Adam's first steps move every weight by about the learning
     * rate, 1e-2. A rounding moves one of 0.02, the deviation they begin with, by at most the distance of its
     * neighbours, 2^-13, and with no preferred sign: over 20 steps that is a walk of sqrt(20) 2^-14 at most, 3% of one
     * step.
     */
    @OnEachBf16Device
    void theMarginRises(On on) {
        TinyRun run = run(on, options().maxSteps(20));
        assertThat(run.last("rewards/margins")).isGreaterThan(0.5);
        assertThat(run.last("rewards/accuracies")).isEqualTo(1);
        assertThat(run.last("loss")).isLessThan(0.4);
    }

    /**
     * Adam's first step changes each of n weights by the learning rate r, whatever its gradient, if that is far above
     * epsilon. With r far below the distance s of a weight's neighbours, a weight goes to the next one with probability
     * r / s, so the sum of all changes has mean n r and variance sum(r s - r^2). It is within six of its deviations, and
     * of the f32 rounding of each exact weight. To nearest, most weights would not move at all.
     */
    @OnEachBf16Device
    void updatesFarBelowTheLastPlaceAreMadeOnAverage(On on) {
        double rate = 1e-5;
        try (Model model = Model.create(TinyRun.CONFIG, on.device(), DType.BF16, 3)) {
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

    @OnEachBf16Device
    void theSameSeedGivesTheSameBitsAndTheOptionOthers(On on) {
        float[] one = run(on, options().maxSteps(4)).weights();
        TinyRun again =
                TinyRun.dpo(on.again(), DType.BF16, PAIRS, options().maxSteps(4).build());
        assertThat(again.weights()).containsExactly(one);
        float[] nearest =
                run(on, options().bf16StochasticRound(false).maxSteps(4)).weights();
        assertThat(nearest).isNotEqualTo(one);
    }

    /** The same thresholds as with f32 moments: their roundings change a step by 2^-8 of itself at most, at random. */
    @OnEachBf16Device
    void theMarginRisesWithMomentsOfBf16(On on) {
        TinyRun run = run(on, options().adamMomentsDtype(Precision.BFLOAT16).maxSteps(20));
        assertThat(run.last("rewards/margins")).isGreaterThan(0.5);
        assertThat(run.last("rewards/accuracies")).isEqualTo(1);
        assertThat(run.last("loss")).isLessThan(0.4);
    }

    @OnEachBf16Device
    void momentsOfBf16GiveTheSameBitsAgainAndOthersThanF32(On on) {
        DpoOptions.Builder of = options().adamMomentsDtype(Precision.BFLOAT16).maxSteps(4);
        float[] one = run(on, of).weights();
        assertThat(TinyRun.dpo(on.again(), DType.BF16, PAIRS, of.build()).weights())
                .containsExactly(one);
        assertThat(run(on, options().maxSteps(4)).weights()).isNotEqualTo(one);
    }

    /** Sizes by hand: weight, master, gradient, two moments. */
    @Test
    void theHeaderSaysWhatAParameterTakes() {
        assertThat(Optimizer.bytesPerParameter(DType.F32, false, DType.F32)).startsWith("16 bytes");
        assertThat(Optimizer.bytesPerParameter(DType.BF16, false, DType.F32)).startsWith("18 bytes");
        assertThat(Optimizer.bytesPerParameter(DType.BF16, true, DType.F32)).startsWith("14 bytes");
        assertThat(Optimizer.bytesPerParameter(DType.BF16, true, DType.BF16)).startsWith("10 bytes");
    }
}
