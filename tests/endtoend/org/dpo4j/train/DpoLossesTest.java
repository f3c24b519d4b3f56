package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.junit.jupiter.api.Test;

/** Every loss and modifier through the training loop: it trains, it does not feel how a step is cut, and its options arrive. */
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
        return TinyRun.dpo(on.device(), DType.F32, PAIRS, options.build());
    }

    /**
     * On the emulated device one loss for each way that a launch differs: plain, sorted, by length, of chosen alone. That each
     * formula is right there is shown by the conformance tests, and in training by {@code TrlTrainingTest}.
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

    /** One step of 8 pairs, whole or in micro-batches of other sizes; the losses that sort look at a micro-batch and are not among them. */
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
            for (String name : List.of("loss", "grad_norm", "entropy", "mean_token_accuracy", "logits/chosen")) {
                for (int step = 0; step < 2; step++) {
                    double expected = whole.value(step, name);
                    // the same numbers added in another order: a few f32 roundings a gradient, carried over one step
                    assertThat(cut.value(step, name))
                            .as(
                                    "%s of step %d, %s",
                                    name, step + 1, options.build().preference())
                            .isCloseTo(expected, within(1e-5 * Math.max(1, Math.abs(expected))));
                }
            }
        }
    }

    /** What an option changes shows in the first loss or in the first gradient. */
    @OnEachDevice
    void optionsArrive(On on) {
        changes(on, options(LossType.SIGMOID), options(LossType.SIGMOID).fDivergenceType(Divergence.JS_DIVERGENCE));
        changes(on, options(LossType.SIGMOID), options(LossType.SIGMOID).ldAlpha(0));
        changes(on, options(LossType.SIGMOID), options(LossType.SIGMOID).useWeighting(true));
        changes(on, options(LossType.SIGMOID), options(LossType.SIGMOID).referenceFree(true));
        changes(on, options(LossType.SIGMOID), options(LossType.SIGMOID).lossWeights(2));
        changes(on, options(LossType.DISCOPOP), options(LossType.DISCOPOP).discopopTau(0.5f));
        changes(on, options(LossType.SIMPO), options(LossType.SIMPO).simpoGamma(1));
        changes(on, options(LossType.ALPHAPO), options(LossType.ALPHAPO).alphapoAlpha(1));
        DpoOptions.Builder alpha = options(LossType.SIGMOID).fDivergenceType(Divergence.ALPHA_DIVERGENCE);
        TinyRun half = run(on, alpha.maxSteps(3));
        assertThat(run(on, alpha.fAlphaDivergenceCoef(2)).last("loss")).isNotEqualTo(half.last("loss"));
        TinyRun unshifted = run(on, options(LossType.BCO_PAIR).maxSteps(3));
        TinyRun shifted = run(on, options(LossType.BCO_PAIR).maxSteps(3).bcoRunningMean(true));
        assertThat(shifted.last("loss")).isNotEqualTo(unshifted.last("loss"));
    }

    /** DPOP's penalty is for chosen log-probs that fall below the reference's: here they rise, and nothing is paid. */
    @OnEachDevice
    void dpopIsDpoWhereChosenRises(On on) {
        TinyRun dpop = run(on, options(LossType.DPOP).maxSteps(4).dpopLambda(5));
        TinyRun dpo = run(on, options(LossType.SIGMOID).maxSteps(4));
        assertThat(dpop.last("rewards/chosen")).isPositive();
        assertThat(dpop.weights()).containsExactly(dpo.weights());
        assertThat(LossDescription.of(options(LossType.DPOP).dpopLambda(5).build()))
                .contains("dpop_lambda 5");
    }

    private static void changes(On on, DpoOptions.Builder before, DpoOptions.Builder after) {
        TinyRun was = run(on, before.maxSteps(1));
        TinyRun is = run(on, after.maxSteps(1));
        assertThat(List.of(is.value(0, "loss"), is.value(0, "grad_norm")))
                .as("%s", after.build().preference())
                .isNotEqualTo(List.of(was.value(0, "loss"), was.value(0, "grad_norm")));
    }

    /** The header says of each loss over what it is taken, and what is not at its default. */
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
