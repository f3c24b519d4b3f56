package org.dpo4j.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.PreferenceOptions.Default;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.dpo4j.kernels.PreferenceOptions.Scalar;
import org.dpo4j.kernels.PreferenceOptions.Term;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/**
 * All options of {@link DpoTrainer}.
 *
 * @param train options shared with {@link SftOptions}
 * @param preference losses and their options
 * @param referenceFree whether reference log-probs are 0 instead of computed
 * @param ldAlpha LD-DPO: weight, in [0, 1], of tokens beyond the length of the pair's shorter completion; 1 turns it
 *     off
 * @param bcoRunningMean whether the loss bco_pair is shifted by the mean of all rewards so far
 */
public record DpoOptions(
        TrainOptions train,
        PreferenceOptions preference,
        boolean referenceFree,
        double ldAlpha,
        boolean bcoRunningMean) {

    public DpoOptions {
        OptionRange.LD_ALPHA.check(ldAlpha);
        if (referenceFree && !preference.hasReference()) {
            throw new Dpo4jException("reference_free is true, but none of the losses has a reference; leave it out");
        }
        if (referenceFree && preference.needsReference()) {
            throw new Dpo4jException("reference_free is true, but the loss dpop needs a reference; leave it out");
        }
        if (!preference.hasReference()) {
            train.reference().requireNone("none of the losses has a reference");
        } else if (referenceFree) {
            train.reference().requireNone("reference_free is true");
        }
        if (ldAlpha != 1 && preference.hasTokenMean()) {
            throw new Dpo4jException("ld_alpha is " + ldAlpha
                    + ", but the loss sft weighs all tokens equally; leave one of the two out");
        }
        if (bcoRunningMean && !preference.hasRunningMean()) {
            throw new Dpo4jException("bco_running_mean is true, but no loss is bco_pair; leave it out");
        }
    }

    /** Whether {@code loss} is one of the losses. */
    boolean has(LossType loss) {
        return preference.terms().stream().anyMatch(term -> term.loss() == loss);
    }

    /**
     * Whether metrics include rewards. They do not if sft is the only loss, because it has no reference. TRL loads a
     * reference in that case only to log rewards.
     */
    boolean hasRewards() {
        return preference.terms().stream().anyMatch(term -> term.loss() != LossType.SFT);
    }

    /** The loss that depends on all pairs of a micro-batch together; null if each loss depends on one pair only. */
    @Nullable
    String wholeBatchLoss() {
        if (bcoRunningMean) {
            return "the running mean of " + LossType.BCO_PAIR.option();
        }
        return preference.terms().stream()
                .map(Term::loss)
                .filter(loss -> loss.reduction() == LossType.Reduction.BATCH)
                .map(LossType::option)
                .findFirst()
                .orElse(null);
    }

    /** Whether log-probs of a reference model are needed. */
    boolean hasReference() {
        return preference.hasReference() && !referenceFree;
    }

    /** The options of dpo itself, for the record of a run. */
    Map<String, Object> named() {
        Map<String, Object> named = new LinkedHashMap<>();
        named.put("loss_type", joined(term -> term.loss().option()));
        named.put("loss_weights", joined(term -> Float.toString(term.weight())));
        for (String option : preference.options().split(", ")) { // such as beta 0.1
            int space = option.indexOf(' ');
            named.put(space < 0 ? option : option.substring(0, space), space < 0 ? true : option.substring(space + 1));
        }
        named.put("reference_free", referenceFree);
        named.put("ld_alpha", ldAlpha);
        return named;
    }

    private String joined(Function<Term, String> text) {
        return preference.terms().stream().map(text).collect(Collectors.joining(","));
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Builds {@link DpoOptions}; also the options of the {@code dpo} command. */
    public static final class Builder extends ReferenceOptionsBuilder<Builder> {
        private final PreferenceOptions.Builder preference = PreferenceOptions.builder();

        @Option(
                names = "--loss_type",
                arity = "1..*",
                split = ",",
                completionCandidates = OptionCandidates.Losses.class,
                description = "Losses of a pair, summed: sigmoid, ipo, simpo, ...; default sigmoid. sft alone has no"
                        + " reference and logs no rewards.")
        private List<String> lossType = List.of(LossType.SIGMOID.option());

        @Option(
                names = "--loss_weights",
                arity = "1..*",
                split = ",",
                description = "Weight of each loss; default 1 each.")
        private @Nullable List<Float> lossWeights;

        @Option(
                names = "--f_divergence_type",
                completionCandidates = OptionCandidates.Divergences.class,
                description = "reverse_kl, forward_kl, js_divergence or alpha_divergence; default ${DEFAULT-VALUE}. The"
                        + " last three work with the losses sigmoid, sigmoid_norm, hinge, ipo, exo_pair, robust and"
                        + " discopop only.")
        private String fDivergenceType = Divergence.REVERSE_KL.option();

        @Option(
                names = "--ld_alpha",
                description =
                        "LD-DPO: weight, in [0, 1], of tokens beyond the length of the pair's shorter completion; default 1.")
        private @Nullable Double ldAlpha;

        @Option(
                names = "--reference_free",
                arity = "0..1",
                fallbackValue = "true",
                description = "Use 0 for the reference model's log-probs.")
        private boolean referenceFree = false;

        @Option(
                names = "--bco_running_mean",
                arity = "0..1",
                fallbackValue = "true",
                description = "Shift the loss bco_pair by the mean of all rewards so far.")
        private boolean bcoRunningMean = false;

        private Builder() {
            super(1e-6, SamplingStrategy.RANDOM);
        }

        /** The losses to sum. */
        public Builder lossType(LossType... values) {
            lossType = Arrays.stream(values).map(LossType::option).toList();
            return this;
        }

        /** A weight for each loss. */
        public Builder lossWeights(float... values) {
            List<Float> weights = new ArrayList<>();
            for (float value : values) {
                weights.add(value);
            }
            lossWeights = weights;
            return this;
        }

        @Option(
                names = "--beta",
                description = "Strength of the pull towards the reference model; default " + Default.BETA + ".")
        public Builder beta(double value) {
            preference.beta(value);
            return this;
        }

        @Option(
                names = "--label_smoothing",
                description = "Probability that chosen and rejected are swapped in a pair; default 0. With the loss"
                        + " sigmoid this is conservative DPO (cDPO); TRL 1.16 ignores it there.")
        public Builder labelSmoothing(double value) {
            preference.labelSmoothing(value);
            return this;
        }

        public Builder fDivergenceType(Divergence value) {
            fDivergenceType = value.option();
            return this;
        }

        @Option(
                names = "--f_alpha_divergence_coef",
                description = "Coefficient of alpha_divergence; default " + Default.DIVERGENCE_ALPHA + ".")
        public Builder fAlphaDivergenceCoef(float value) {
            preference.divergenceAlpha(value == Default.DIVERGENCE_ALPHA ? null : value);
            return this;
        }

        @Option(
                names = "--discopop_tau",
                description = "Temperature of the loss discopop; default " + Default.DISCOPOP_TAU + ".")
        public Builder discopopTau(float value) {
            return scalar(Scalar.DISCOPOP_TAU, value);
        }

        @Option(names = "--dpop_lambda", description = "Weight of dpop's penalty; default " + Default.DPOP_LAMBDA + ".")
        public Builder dpopLambda(float value) {
            return scalar(Scalar.DPOP_LAMBDA, value);
        }

        @Option(
                names = "--simpo_gamma",
                description = "Margin of the losses simpo and alphapo; default " + Default.SIMPO_GAMMA + ".")
        public Builder simpoGamma(float value) {
            return scalar(Scalar.SIMPO_GAMMA, value);
        }

        @Option(names = "--alphapo_alpha", description = "Alpha of the loss alphapo, which has no default.")
        public Builder alphapoAlpha(float value) {
            return scalar(Scalar.ALPHAPO_ALPHA, value);
        }

        /**
         * Sets an option, or unsets it if the value is the default: TRL accepts the default even if no loss reads it.
         */
        private Builder scalar(Scalar scalar, float value) {
            Float byDefault = scalar.defaultValue();
            preference.scalar(scalar, byDefault != null && byDefault == value ? null : value);
            return this;
        }

        @Option(
                names = "--use_weighting",
                arity = "0..1",
                fallbackValue = "true",
                description = "WPO: weight each pair by its probability under the policy.")
        public Builder useWeighting(boolean value) {
            preference.weighting(value);
            return this;
        }

        public Builder ldAlpha(double value) {
            ldAlpha = value;
            return this;
        }

        public Builder referenceFree(boolean value) {
            referenceFree = value;
            return this;
        }

        public Builder bcoRunningMean(boolean value) {
            bcoRunningMean = value;
            return this;
        }

        @Override
        Builder self() {
            return this;
        }

        /** Builds the options. Throws, naming the option, if one is missing, out of range, or read by no loss. */
        public DpoOptions build() {
            return new DpoOptions(
                    trainOptions(), preference(), referenceFree, ldAlpha == null ? 1 : ldAlpha, bcoRunningMean);
        }

        private PreferenceOptions preference() {
            OptionRange.BETA.check(preference.beta());
            return preference
                    .divergence(Divergence.fromOption(fDivergenceType))
                    .losses(terms())
                    .build();
        }

        private List<Term> terms() {
            List<Float> weights = lossWeights;
            if (weights != null && weights.size() != lossType.size()) {
                throw new Dpo4jException("loss_weights has " + weights.size() + " weights for " + lossType.size()
                        + " losses of loss_type; give one each");
            }
            if (weights != null && !weights.stream().allMatch(Float::isFinite)) {
                throw new Dpo4jException("loss_weights is " + weights + "; each must be a finite number");
            }
            List<Term> terms = new ArrayList<>();
            for (int i = 0; i < lossType.size(); i++) {
                terms.add(new Term(LossType.fromOption(lossType.get(i)), weights == null ? 1 : weights.get(i)));
            }
            return terms;
        }
    }
}
