package org.dpo4j.conformance;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.dpo4j.kernels.PreferenceOptions.Scalar;
import org.dpo4j.kernels.PreferenceOptions.Term;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Statistic;
import org.dpo4j.testkit.ReferencePreferenceLoss;

/**
 * Options for the device, and the same options for the reference.
 *
 * @param weighting whether WPO weights the pairs
 */
record PreferenceVariant(
        String name, PreferenceOptions options, ReferencePreferenceLoss.Options numbers, boolean weighting) {

    /** Losses for which the predicate holds. */
    static Set<LossType> with(Predicate<LossType> trait) {
        return Arrays.stream(LossType.values()).filter(trait).collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /** The value of a scalar that the tests use if a loss reads it. */
    static float value(Scalar scalar) {
        Float byDefault = scalar.defaultValue();
        return byDefault == null ? ALPHA : byDefault;
    }

    private static final float BETA = 0.3f;
    private static final float SMOOTHING = 0.1f;
    private static final float ALPHA = 0.25f;

    /** Every loss with every modifier that it accepts, and lists of losses. */
    static List<PreferenceVariant> all() {
        List<PreferenceVariant> all = new ArrayList<>();
        for (LossType loss : LossType.values()) {
            float smoothing = loss == LossType.EXO_PAIR ? SMOOTHING : 0;
            all.add(of(smoothing, Divergence.REVERSE_KL, false, loss));
            if (loss.hasSmoothing()) {
                all.add(of(0.3f, Divergence.REVERSE_KL, false, loss));
            }
            if (loss.hasWeighting()) {
                all.add(of(smoothing, Divergence.REVERSE_KL, true, loss));
            }
            if (loss.hasDivergences()) {
                for (Divergence divergence : Divergence.values()) {
                    all.add(of(smoothing, divergence, false, loss));
                }
            }
        }
        all.add(of(0, Divergence.REVERSE_KL, false, LossType.SIGMOID, LossType.BCO_PAIR, LossType.SFT));
        all.add(of(SMOOTHING, Divergence.REVERSE_KL, false, LossType.AOT, LossType.SIGMOID, LossType.AOT_UNPAIRED));
        all.add(of(SMOOTHING, Divergence.JS_DIVERGENCE, false, LossType.SIGMOID, LossType.IPO, LossType.SFT));
        all.add(of(SMOOTHING, Divergence.REVERSE_KL, true, LossType.SIMPO, LossType.ALPHAPO, LossType.ORPO));
        return all;
    }

    /** The first loss has weight 1, the next 0.5, the next 0.25. */
    static PreferenceVariant of(float smoothing, Divergence divergence, boolean weighting, LossType... losses) {
        PreferenceOptions.Builder builder = PreferenceOptions.builder()
                .beta(BETA)
                .labelSmoothing(smoothing)
                .divergence(divergence)
                .weighting(weighting);
        Map<Scalar, Float> scalars = new EnumMap<>(Scalar.class);
        for (Scalar scalar : Scalar.values()) {
            scalars.put(scalar, value(scalar));
        }
        float weight = 1;
        for (LossType loss : losses) {
            builder.loss(loss, weight);
            weight /= 2;
            scalars.keySet().stream()
                    .filter(scalar -> scalar.isReadBy(loss))
                    .forEach(scalar -> builder.scalar(scalar, value(scalar)));
        }
        ReferencePreferenceLoss.Options numbers =
                new ReferencePreferenceLoss.Options(BETA, smoothing, divergence, 0.5, scalars, 0, 0);
        String name = Arrays.toString(losses) + " smoothing " + smoothing + " " + divergence
                + (weighting ? " weighting" : "");
        return new PreferenceVariant(name, builder.build(), numbers, weighting);
    }

    boolean sorts() {
        return options.terms().stream().anyMatch(term -> term.loss().reduction() == LossType.Reduction.BATCH);
    }

    boolean has(LossType loss) {
        return options.terms().stream().anyMatch(term -> term.loss() == loss);
    }

    /**
     * The call with the inputs that this variant accepts: without a reference if no loss reads one, with a token scale
     * if one does.
     */
    PreferenceCall fit(PreferenceCall call) {
        PreferenceCall fit = options.hasReference() ? call : call.withReference(null);
        return has(LossType.SFT) ? fit.withTokenScale(0.002f) : fit;
    }

    /** The loss of every pair. Weights of pairs are constants, without gradient. */
    double[] losses(PreferenceCall call, double[] sums, double shift) {
        double[] reference = call.reference() == null ? new double[sums.length] : call.reference();
        int[] lengths = call.lengths() == null ? new int[sums.length] : call.lengths();
        ReferencePreferenceLoss.Options at = new ReferencePreferenceLoss.Options(
                numbers.beta(),
                numbers.labelSmoothing(),
                numbers.divergence(),
                numbers.divergenceAlpha(),
                numbers.scalars(),
                shift,
                (double) call.tokenScale() / call.pairScale());
        ReferencePreferenceLoss pairLosses = new ReferencePreferenceLoss(at, sums, reference, lengths);
        double[] total = new double[sums.length / 2];
        for (Term term : options.terms()) {
            double[] losses = pairLosses.losses(term.loss());
            Arrays.setAll(total, i -> total[i] + call.weight(i) * term.weight() * losses[i] * weight(call, i));
        }
        return total;
    }

    private double weight(PreferenceCall call, int pair) {
        double[] statistics = call.statistics();
        int[] lengths = call.lengths();
        if (!weighting || statistics == null || lengths == null) {
            return 1;
        }
        double sum = 0;
        for (int completion = 2 * pair; completion <= 2 * pair + 1; completion++) {
            double logWeight = statistics[completion * TokenLogProb.STATISTICS + Statistic.LOG_WEIGHT.ordinal()];
            sum += logWeight / Math.max(1, lengths[completion]);
        }
        return Math.exp(sum);
    }

    @Override
    public String toString() {
        return name;
    }
}
