package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.function.UnaryOperator;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.junit.jupiter.api.Test;

/** Every loss and modifier in the training loop: it trains, micro-batches do not change it, and its options have an effect. */
class DpoLossesTest {
    private static final List<PreferencePair> PAIRS = TinyRun.pairs(8);

    private static DpoOptions.Builder options(LossType... losses) {
        DpoOptions.Builder builder = TinyRun.options().lossType(losses).learningRate(2e-3);
        for (LossType loss : losses) {
            if (loss == LossType.ALPHAPO) {
                builder.alphapoAlpha(0.25f);
            }
            if (loss == LossType.EXO_PAIR) {
                builder.labelSmoothing(0.1);
            }
        }
        return builder;
    }

    private static TinyRun run(On on, DpoOptions.Builder options) {
        return TinyRun.dpo(on, PAIRS, options.build());
    }

    /**
     * The emulated device trains one loss for each kind of launch: plain, sorted, by length, of chosen alone. Conformance tests
     * check every formula there, and {@code TrlTrainingTest} checks training.
     */
    @OnEachDevice
    void everyLossFalls(On on) {
        List<LossType> losses = on.name().equals("emulated")
                ? List.of(LossType.SIGMOID, LossType.AOT, LossType.SIMPO, LossType.SFT)
                : List.of(LossType.values());
        for (LossType loss : losses) {
            TinyRun run = run(on, options(loss).maxSteps(8));
            assertThat(run.last("loss")).as("%s", loss).isLessThan(run.value(0, "loss"));
            assertThat(run.value(0, "grad_norm")).as("%s", loss).isPositive();
        }
    }

    /** One step of 8 pairs, whole or in micro-batches. Losses that sort a micro-batch do depend on them, and are left out. */
    @OnEachDevice
    void accumulationChangesNothing(On on) {
        DpoOptions.Builder[] all = {
            options(LossType.IPO),
            options(LossType.SFT),
            options(LossType.SIGMOID, LossType.BCO_PAIR, LossType.SFT).lossWeights(0.8f, 0.2f, 1),
            options(LossType.SIMPO).useWeighting(true),
            options(LossType.SIGMOID).ldAlpha(0.5)
        };
        for (DpoOptions.Builder options : all) {
            TinyRun whole = run(
                    on,
                    options.perDeviceTrainBatchSize(8)
                            .gradientAccumulationSteps(1)
                            .maxSteps(2));
            TinyRun cut = run(on, options.perDeviceTrainBatchSize(3).gradientAccumulationSteps(3));
            String description = options.build().preference().toString();
            cut.assertCloseTo(
                    whole, 2, description, "loss", "grad_norm", "entropy", "mean_token_accuracy", "logits/chosen");
        }
    }

    /** Each option changes the first loss or the first gradient norm. */
    @OnEachDevice
    void everyOptionHasAnEffect(On on) {
        assertChanges(on, LossType.SIGMOID, options -> options.fDivergenceType(Divergence.JS_DIVERGENCE));
        assertChanges(on, LossType.SIGMOID, options -> options.ldAlpha(0));
        assertChanges(on, LossType.SIGMOID, options -> options.useWeighting(true));
        assertChanges(on, LossType.SIGMOID, options -> options.referenceFree(true));
        assertChanges(on, LossType.SIGMOID, options -> options.lossWeights(2));
        assertChanges(on, LossType.DISCOPOP, options -> options.discopopTau(0.5f));
        assertChanges(on, LossType.SIMPO, options -> options.simpoGamma(1));
        assertChanges(on, LossType.ALPHAPO, options -> options.alphapoAlpha(1));
        DpoOptions.Builder alpha = options(LossType.SIGMOID).fDivergenceType(Divergence.ALPHA_DIVERGENCE);
        TinyRun half = run(on, alpha.maxSteps(3));
        assertThat(run(on, alpha.fAlphaDivergenceCoef(2)).last("loss")).isNotEqualTo(half.last("loss"));
        TinyRun unshifted = run(on, options(LossType.BCO_PAIR).maxSteps(3));
        TinyRun shifted = run(on, options(LossType.BCO_PAIR).maxSteps(3).bcoRunningMean(true));
        assertThat(shifted.last("loss")).isNotEqualTo(unshifted.last("loss"));
    }

    /** DPOP penalises chosen log-probs that fall below the reference's. Here they rise, so the penalty is 0. */
    @OnEachDevice
    void dpopIsDpoIfChosenRises(On on) {
        TinyRun dpop = run(on, options(LossType.DPOP).maxSteps(4).dpopLambda(5));
        TinyRun dpo = run(on, options(LossType.SIGMOID).maxSteps(4));
        assertThat(dpop.last("rewards/chosen")).isPositive();
        assertThat(dpop.weights()).isEqualTo(dpo.weights());
        assertThat(LossDescription.of(options(LossType.DPOP).dpopLambda(5).build()))
                .contains("dpop_lambda 5");
    }

    private static void assertChanges(On on, LossType loss, UnaryOperator<DpoOptions.Builder> change) {
        TinyRun before = run(on, options(loss).maxSteps(1));
        DpoOptions.Builder changed = change.apply(options(loss)).maxSteps(1);
        TinyRun after = run(on, changed);
        assertThat(List.of(after.value(0, "loss"), after.value(0, "grad_norm")))
                .as("%s", changed.build().preference())
                .isNotEqualTo(List.of(before.value(0, "loss"), before.value(0, "grad_norm")));
    }

    /** The header names the reduction of each loss, and options that are not at their default. */
    @Test
    void theHeaderNamesTheReductions() {
        assertThat(LossDescription.of(options(LossType.SIGMOID, LossType.BCO_PAIR, LossType.SFT)
                        .lossWeights(0.8f, 0.2f, 1)
                        .build()))
                .isEqualTo(
                        "0.8 sigmoid (of sums) + 0.2 bco_pair (of sums) + sft (a mean over chosen tokens), beta 0.1");
        assertThat(LossDescription.of(options(LossType.SIMPO).build()))
                .isEqualTo("simpo (of averages), beta 0.1, simpo_gamma 0.5, no reference");
        assertThat(LossDescription.of(options(LossType.IPO)
                        .referenceFree(true)
                        .ldAlpha(0.5)
                        .fDivergenceType(Divergence.ALPHA_DIVERGENCE)
                        .useWeighting(true)
                        .build()))
                .isEqualTo("ipo (of averages), beta 0.1, f_divergence_type alpha_divergence, "
                        + "f_alpha_divergence_coef 0.5, use_weighting, ld_alpha 0.5, reference-free");
    }
}
