package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.conformance.PreferenceVariant.with;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.StreamSupport;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.LossType.Reduction;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.dpo4j.kernels.PreferenceOptions.Scalar;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Statistic;
import org.dpo4j.testkit.Tolerance;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Compares every loss with every modifier with 60-digit values, including extremes. Their gradients are computed by
 * numerical differentiation at that precision.
 */
class PreferenceLossGoldenTest {

    /**
     * Relative error of fp64 results: about a dozen roundings of 2^-53, multiplied by arguments of exponentials up to
     * 745.
     */
    private static final double FP64 = 0x1p-53 * 16 * 745;

    private static final JsonNode CASES = Golden.read("preference_loss.json");

    @Test
    void everyLossIsThere() {
        Set<String> alone = new HashSet<>();
        for (JsonNode each : CASES) {
            if (each.get("terms").size() == 1) {
                alone.add(each.get("terms").get(0).get("loss").asText());
            }
        }
        for (LossType loss : LossType.values()) {
            assertThat(alone).contains(loss.option());
        }
    }

    /** The inputs that a loss reads are exactly those that the script of the golden values gives it. */
    @Test
    void lossesReadWhatTheirFormulasHave() {
        assertThat(with(LossType::hasReference))
                .isEqualTo(given(each -> !each.get("reference").isNull()));
        assertThat(with(LossType::hasSmoothing)).isEqualTo(given(each -> number(each, "label_smoothing") != 0));
        assertThat(with(LossType::hasDivergences))
                .isEqualTo(given(each -> !each.get("divergence").asText().equals(Divergence.REVERSE_KL.option())));
        assertThat(with(LossType::hasWeighting))
                .isEqualTo(given(each -> each.get("weighting").asBoolean()));
        assertThat(with(LossType::hasRunningMean))
                .isEqualTo(given(each -> !each.get("running_mean").isNull()));
        assertThat(with(loss -> loss.reduction() == Reduction.TOKENS))
                .isEqualTo(given(each -> number(each, "token_scale") != 0));
        assertThat(with(loss -> loss.reduction() == Reduction.AVERAGE))
                .isEqualTo(given(each ->
                        !each.get("lengths").isNull() && !each.get("weighting").asBoolean()));
        for (Scalar scalar : Scalar.values()) {
            assertThat(with(loss -> scalar.isReadBy(loss)))
                    .isEqualTo(given(each -> number(each, scalar.option()) != 0));
        }
    }

    /** Losses that have a case on their own for which the predicate holds. */
    private static Set<LossType> given(Predicate<JsonNode> holds) {
        Set<LossType> losses = EnumSet.noneOf(LossType.class);
        for (JsonNode each : CASES) {
            if (each.get("terms").size() == 1 && holds.test(each)) {
                losses.add(
                        LossType.fromOption(each.get("terms").get(0).get("loss").asText()));
            }
        }
        return losses;
    }

    @OnEachDevice
    @Tag("small")
    void golden(On on) {
        for (JsonNode each : CASES) {
            PreferenceCall call = call(each);
            PreferenceOptions options = options(each);
            PreferenceCall.Left left = call.on(on, options);
            double[] losses = asFp32Can(Golden.numbers(each.get("losses")));
            double[] dSums = asFp32Can(Golden.numbers(each.get("d_sums")));
            String what = on + " " + each.get("name").asText();
            double scale = magnitude(call, options, Math.max(0.1f, number(each, "beta")));
            Expect.near(
                    what + " losses",
                    left.losses(),
                    losses,
                    i -> Tolerance.roundedOnce(losses[i]) + FP64 * (Math.abs(losses[i]) + scale));
            Expect.near(
                    what + " d_sums",
                    left.dSums(),
                    dSums,
                    i -> Tolerance.roundedOnce(dSums[i])
                            + FP64 * (Math.abs(dSums[i]) + Math.abs(call.pairScale()) * scale));
            JsonNode after = each.get("running_mean_after");
            if (after != null && !after.isNull()) {
                double[] expected = Golden.numbers(after);
                Expect.near(what + " running mean", left.runningMean(), expected, i -> FP64 * 1e5);
            }
        }
    }

    /** Values beyond the max of fp32 become infinite: squares of scores that a divergence makes very large. */
    private static double[] asFp32Can(double[] values) {
        return Arrays.stream(values)
                .map(value -> Math.abs(value) > Float.MAX_VALUE ? (float) value : value)
                .toArray();
    }

    /**
     * Magnitude of the terms of a loss that is a difference: 1 (label smoothing, averages), or 1/(2 beta) and its
     * square. It is 0 for losses that are sums of positive terms, because their relative error is small however small
     * they are. This holds for the losses of apo_down too, but not for its slopes.
     */
    private static double magnitude(PreferenceCall call, PreferenceOptions options, float beta) {
        Set<LossType> differences = EnumSet.of(
                LossType.IPO,
                LossType.CPO_IPO,
                LossType.SPPO_HARD,
                LossType.APO_DOWN,
                LossType.EXO_PAIR,
                LossType.ROBUST,
                LossType.HINGE,
                LossType.CPO_HINGE,
                LossType.DISCOPOP);
        boolean any = options.terms().size() > 1
                || differences.contains(options.terms().get(0).loss())
                || options.terms().get(0).loss().hasSmoothing();
        double largest = Arrays.stream(call.sums()).map(Math::abs).max().orElse(0);
        return any ? 1 + largest + 1 / (beta * beta) : 0;
    }

    private static PreferenceCall call(JsonNode each) {
        double[] sums = Golden.numbers(each.get("sums"));
        double[] logWeights = numbers(each.get("log_weights"));
        int[] lengths = each.get("lengths").isNull()
                ? null
                : StreamSupport.stream(each.get("lengths").spliterator(), false)
                        .mapToInt(JsonNode::asInt)
                        .toArray();
        double[] statistics = null;
        if (logWeights != null) {
            statistics = new double[sums.length * TokenLogProb.STATISTICS];
            for (int i = 0; i < sums.length; i++) {
                statistics[i * TokenLogProb.STATISTICS + Statistic.LOG_WEIGHT.ordinal()] = logWeights[i];
            }
        }
        return new PreferenceCall(
                sums,
                numbers(each.get("reference")),
                lengths,
                statistics,
                new double[PreferenceLoss.METRICS],
                numbers(each.get("running_mean")),
                number(each, "pair_scale"),
                number(each, "token_scale"),
                each.has("weights") ? Golden.numbers(each.get("weights")) : null);
    }

    private static double @Nullable [] numbers(JsonNode array) {
        return array.isNull() ? null : Golden.numbers(array);
    }

    private static PreferenceOptions options(JsonNode each) {
        Divergence divergence = Divergence.fromOption(each.get("divergence").asText());
        PreferenceOptions.Builder builder = PreferenceOptions.builder()
                .labelSmoothing(number(each, "label_smoothing"))
                .divergence(divergence)
                .weighting(each.get("weighting").asBoolean());
        if (number(each, "beta") != 0) { // sft reads none; rewards do
            builder.beta(number(each, "beta"));
        }
        if (divergence == Divergence.ALPHA_DIVERGENCE) {
            builder.divergenceAlpha(number(each, "divergence_alpha"));
        }
        for (JsonNode term : each.get("terms")) {
            LossType loss = LossType.fromOption(term.get("loss").asText());
            builder.loss(loss, number(term, "weight"));
            for (Scalar scalar : Scalar.values()) {
                if (scalar.isReadBy(loss)) {
                    builder.scalar(scalar, number(each, scalar.option()));
                }
            }
        }
        return builder.build();
    }

    private static float number(JsonNode each, String name) {
        return (float) Golden.number(each.get(name));
    }
}
