package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.PairLogProbs;
import org.dpo4j.kernels.PreferenceLoss.PairResults;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.PreferenceOptions.Builder;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.dpo4j.kernels.PreferenceOptions.Scalar;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** No option is ignored: it either changes the results or is refused by name. */
class PreferenceRefusalsTest {

    private static Builder with(LossType... losses) {
        Builder builder = PreferenceOptions.builder();
        for (LossType loss : losses) {
            builder.loss(loss);
            for (Scalar scalar : Scalar.values()) {
                if (scalar.defaultValue() == null && scalar.isReadBy(loss)) {
                    builder.scalar(scalar, PreferenceVariant.value(scalar));
                }
            }
            if (loss == LossType.EXO_PAIR) {
                builder.labelSmoothing(0.1f);
            }
        }
        return builder;
    }

    private static void refused(Builder builder, String option) {
        assertThatThrownBy(builder::build)
                .isInstanceOf(Dpo4jException.class)
                .message()
                .containsPattern("\\b" + option + "\\b");
    }

    @Test
    void valuesOutOfRange() {
        for (float beta : new float[] {0, -1, Float.NaN, Float.POSITIVE_INFINITY}) {
            refused(with(LossType.SIGMOID).beta(beta), "beta");
        }
        for (float smoothing : new float[] {-0.1f, 0.5f, Float.NaN}) {
            refused(with(LossType.SIGMOID).labelSmoothing(smoothing), "label_smoothing");
        }
        refused(with(LossType.EXO_PAIR).labelSmoothing(0), "label_smoothing");
        for (float tau : new float[] {0, -1, 1.5f, Float.NaN}) {
            refused(with(LossType.DISCOPOP).discopopTau(tau), "discopop_tau");
        }
        refused(with(LossType.DPOP).dpopLambda(-1), "dpop_lambda");
        for (LossType loss : LossType.values()) {
            for (Scalar scalar : Scalar.values()) {
                for (float value : new float[] {Float.NaN, Float.NEGATIVE_INFINITY, Float.POSITIVE_INFINITY}) {
                    refused(with(loss).scalar(scalar, value), scalar.option());
                }
            }
        }
        refused(
                with(LossType.SIGMOID).divergence(Divergence.ALPHA_DIVERGENCE).divergenceAlpha(Float.NaN),
                "f_alpha_divergence_coef");
        refused(PreferenceOptions.builder().loss(LossType.SIGMOID, Float.NaN), "weight");
        refused(PreferenceOptions.builder(), "loss_type");
        Builder nine = PreferenceOptions.builder();
        for (int i = 0; i < 9; i++) {
            nine.loss(LossType.SIGMOID);
        }
        refused(nine, "loss_type");
        refused(PreferenceOptions.builder().loss(LossType.ALPHAPO), "alphapo_alpha");
    }

    @Test
    void optionsThatNoLossReads() {
        for (LossType loss : LossType.values()) {
            if (!loss.hasSmoothing()) {
                refused(with(loss).labelSmoothing(0.1f), "label_smoothing");
            }
            if (!loss.hasDivergences()) {
                for (Divergence other : Arrays.asList(Divergence.values()).subList(1, 4)) {
                    refused(with(loss).divergence(other), "f_divergence_type " + other.option());
                }
            }
            if (!loss.hasWeighting()) {
                refused(with(loss).weighting(true), "use_weighting");
            }
            for (Scalar scalar : Scalar.values()) {
                if (!scalar.isReadBy(loss)) {
                    refused(with(loss).scalar(scalar, PreferenceVariant.value(scalar)), scalar.option());
                }
            }
        }
        refused(with(LossType.SIGMOID).divergenceAlpha(0.5f), "f_alpha_divergence_coef");
        refused(with(LossType.SIGMOID, LossType.SFT).weighting(true), "use_weighting");
    }

    /**
     * TRL 1.16 accepts a divergence with sigmoid, sigmoid_norm, hinge, ipo, exo_pair, robust and discopop, and with sft
     * in a list with them. dpo4j also accepts it with other losses without a reference. A list with one loss that reads
     * log-ratios is refused, and the error names this loss.
     */
    @Test
    void aDivergenceIsRefusedByNameWithEveryLossOfLogRatios() {
        assertThat(PreferenceVariant.with(LossType::hasDivergences))
                .containsExactlyInAnyOrder(
                        LossType.SIGMOID,
                        LossType.SIGMOID_NORM,
                        LossType.HINGE,
                        LossType.IPO,
                        LossType.EXO_PAIR,
                        LossType.ROBUST,
                        LossType.DISCOPOP);
        for (LossType loss : LossType.values()) {
            for (Divergence other : Arrays.asList(Divergence.values()).subList(1, 4)) {
                for (Builder list : List.of(with(LossType.SIGMOID, loss), with(loss, LossType.SIGMOID))) {
                    if (loss.hasReference() && !loss.hasDivergences()) {
                        refused(
                                list.divergence(other),
                                other.option() + " is not defined for the loss " + loss.option());
                    } else {
                        assertThat(list.divergence(other).build().terms()).hasSize(2);
                    }
                }
            }
        }
    }

    /** The traits of a loss list the options that it reads. Each of these options changes its results. */
    @OnEachDevice
    @Tag("small")
    void everyAcceptedOptionChangesANumber(On on) {
        for (LossType loss : LossType.values()) {
            PreferenceOptions plain = with(loss).build();
            if (loss.hasSmoothing()) {
                changes(on, plain, with(loss).labelSmoothing(0.2f));
            }
            if (loss.hasDivergences()) {
                for (Divergence other : Arrays.asList(Divergence.values()).subList(1, 4)) {
                    changes(on, plain, with(loss).divergence(other));
                }
                PreferenceOptions alpha =
                        with(loss).divergence(Divergence.ALPHA_DIVERGENCE).build();
                changes(
                        on,
                        alpha,
                        with(loss).divergence(Divergence.ALPHA_DIVERGENCE).divergenceAlpha(0.7f));
            }
            if (loss.hasWeighting()) {
                changes(on, plain, with(loss).weighting(true));
            }
            if (loss != LossType.SFT) {
                changes(on, plain, with(loss).beta(0.2f));
            }
            changes(on, plain, twice(loss));
            for (Scalar scalar : Scalar.values()) {
                if (scalar.isReadBy(loss)) {
                    changes(on, plain, with(loss).scalar(scalar, 0.5f * PreferenceVariant.value(scalar)));
                }
            }
        }
    }

    private static Builder twice(LossType loss) {
        Builder builder = with(loss);
        return builder.loss(loss, 0.5f);
    }

    private static PreferenceCall fit(PreferenceOptions options) {
        PreferenceCall call = PreferenceCall.random(6, 11);
        call = options.hasReference() ? call : call.withReference(null);
        boolean sft = options.terms().stream().anyMatch(term -> term.loss() == LossType.SFT);
        return sft ? call.withTokenScale(0.01f) : call;
    }

    private static void changes(On on, PreferenceOptions before, Builder after) {
        double[] was = fit(before).on(on, before).losses();
        PreferenceOptions options = after.build();
        assertThat(fit(options).on(on, options).losses()).isNotEqualTo(was);
    }

    /** Refuses inputs that no loss reads, and missing inputs that a loss needs. */
    @OnEachDevice
    @Tag("small")
    void inputsThatDoNotFitTheLosses(On on) {
        PreferenceCall call = PreferenceCall.random(2, 12);
        PreferenceCall free = call.withReference(null);
        for (LossType loss : LossType.values()) {
            PreferenceOptions options = with(loss).build();
            PreferenceCall fit = fit(options);
            if (!loss.hasReference()) {
                refused(on, fit.withReference(new double[12]), options, "reference");
            }
            if (loss == LossType.SFT) {
                refused(on, fit.withTokenScale(0), options, "token_scale");
                refused(on, fit.withTokenScale(Float.NaN), options, "token_scale");
            } else {
                refused(on, fit.withTokenScale(0.1f), options, "token_scale");
            }
            if (loss.reduction() == LossType.Reduction.BATCH) {
                refused(on, fit.withWeights(new double[fit.pairs()]), options, "weights must be null: aot");
            }
            if (loss != LossType.BCO_PAIR) {
                refused(on, fit.withRunningMean(0, 0), options, "running_mean");
            }
        }
        refused(on, free, with(LossType.DPOP).build(), "reference");
        refused(on, free, with(LossType.DPOP_ADDITIVE).build(), "reference");
        for (LossType averages : List.of(
                LossType.IPO,
                LossType.SIGMOID_NORM,
                LossType.CPO_IPO,
                LossType.SIMPO,
                LossType.ALPHAPO,
                LossType.ORPO)) {
            refused(on, PreferenceCall.of(new double[4], null), with(averages).build(), "lengths");
        }
        PreferenceCall bare = PreferenceCall.of(new double[4], new double[4]);
        refused(on, bare, with(LossType.SIGMOID).weighting(true).build(), "statistics");
    }

    private static void refused(On on, PreferenceCall call, PreferenceOptions options, String argument) {
        assertThatThrownBy(() -> call.on(on, options))
                .as("%s", options.terms())
                .isInstanceOf(Dpo4jException.class)
                .hasMessageStartingWith("preference_loss: ")
                .message()
                .containsPattern("\\b" + argument + "\\b");
    }

    @OnEachDevice
    @Tag("small")
    void badArguments(On on) {
        PreferenceOptions options = PreferenceOptions.forLoss(LossType.AOT);
        try (Tensors tensors = new Tensors(on)) {
            Tensor losses = tensors.output("losses", DType.F32, 1, 2);
            Tensor dSums = tensors.output("d_sums", DType.F32, 1, 4);
            Tensor metrics = tensors.updatedDoubles("metrics", new double[PreferenceLoss.METRICS]);
            Tensor sums = tensors.vector("sums", DType.F32, 1, 2, 3, 4);
            Tensor reference = tensors.vector("reference", DType.F32, 1, 2, 3, 4);
            Tensor lengths = tensors.input("lengths", 1, 2, 3, 4);
            Tensor statistics = tensors.vector("statistics", DType.F32, new double[16]);
            Tensor workspace = tensors.workspace(PreferenceLoss.workspaceBytes(2, options));
            new Refusals(tensors, "preference_loss")
                    .indices("losses", losses)
                    .indices("d_sums", dSums)
                    .addressOrNull("metrics", metrics)
                    .indices("sums", sums)
                    .indicesOrNull("reference", reference)
                    .size("lengths", lengths.address(), lengths.address() + 2)
                    .addressOrNull("statistics", statistics)
                    .address("workspace", workspace)
                    .size("pairs", 2, -1)
                    .number("pair_scale", 1, Float.NaN, Float.POSITIVE_INFINITY)
                    .check((device, a) -> PreferenceLoss.compute(
                            device,
                            new PairResults(a.get("losses"), a.get("d_sums"), a.get("metrics")),
                            new PairLogProbs(a.get("sums"), a.get("reference"), a.get("lengths"), a.get("statistics")),
                            a.get("pairs"),
                            a.get("workspace"),
                            new Scale(a.number("pair_scale")),
                            options));
            Tensor weights = tensors.vector("weights", DType.F32, 1, 2);
            assertThatThrownBy(() -> tensors.run(device -> PreferenceLoss.compute(
                            device,
                            new PairResults(losses.address(), dSums.address()),
                            new PairLogProbs(sums.address(), reference.address(), 0, 0, weights.address() + 2),
                            2,
                            PreferenceLoss.NO_WORKSPACE,
                            new Scale(1),
                            PreferenceOptions.forLoss(LossType.SIGMOID))))
                    .hasMessageStartingWith("preference_loss: weights");
            Tensor scales = tensors.vector("scales", DType.F32, 1, 0);
            for (Scale scale : List.of(Scale.at(scales.address() + 2), new Scale(1, 0, scales.address()))) {
                assertThatThrownBy(() -> tensors.run(device -> PreferenceLoss.compute(
                                device,
                                new PairResults(losses.address(), dSums.address()),
                                new PairLogProbs(sums.address(), reference.address()),
                                2,
                                workspace.address(),
                                scale,
                                options)))
                        .isInstanceOf(Dpo4jException.class)
                        .hasMessageStartingWith("preference_loss: ")
                        .hasMessageContaining("scales");
            }
        }
    }
}
