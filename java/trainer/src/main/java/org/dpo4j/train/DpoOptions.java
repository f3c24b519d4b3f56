package org.dpo4j.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/**
 * Everything that decides a run of {@link DpoTrainer}.
 *
 * @param train what it shares with {@link SftOptions}
 * @param preference losses and what they read
 * @param referenceFree the losses see a reference whose log-probs are all 0; it is not computed
 * @param ldAlpha what a token counts beyond the shorter completion of its pair, in [0, 1]: LD-DPO; 1 for as much as any
 * @param bcoRunningMean the loss bco_pair is shifted by the mean of all rewards so far
 */
public record DpoOptions(
        TrainOptions train,
        PreferenceOptions preference,
        boolean referenceFree,
        double ldAlpha,
        boolean bcoRunningMean) {

    public DpoOptions {
        OptionRange.LD_ALPHA.check(ldAlpha);
        if (referenceFree && !preference.reference()) {
            throw new Dpo4jException("reference_free is true, but none of the losses has a reference; leave it out");
        }
        if (referenceFree && (has(preference, LossType.DPOP) || has(preference, LossType.DPOP_ADDITIVE))) {
            throw new Dpo4jException("reference_free is true, but dpop measures from a reference; leave it out");
        }
        if (ldAlpha != 1 && has(preference, LossType.SFT)) {
            throw new Dpo4jException("ld_alpha is " + ldAlpha
                    + ", but the loss sft is a mean over all tokens alike; leave one of the two out");
        }
        if (bcoRunningMean && !has(preference, LossType.BCO_PAIR)) {
            throw new Dpo4jException("bco_running_mean is true, but no loss is bco_pair; leave it out");
        }
    }

    private static boolean has(PreferenceOptions preference, LossType loss) {
        return preference.terms().stream().anyMatch(term -> term.loss() == loss);
    }

    /** Whether one of the losses is this one. */
    boolean has(LossType loss) {
        return has(preference, loss);
    }

    /**
     * Whether metrics have rewards. The loss sft alone reads no reference, and no reward means anything to it: TRL logs
     * those against a reference that it loads for them.
     */
    boolean hasRewards() {
        return preference.terms().stream().anyMatch(term -> term.loss() != LossType.SFT);
    }

    /** Whether log-probs of a reference model are needed. */
    boolean reference() {
        return preference.reference() && !referenceFree;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Options under construction; also the options of the {@code dpo} command. */
    public static final class Builder extends TrainOptionsBuilder<Builder> {

        @Option(
                names = "--loss_type",
                arity = "1..*",
                split = ",",
                description =
                        "Losses of a pair, summed: sigmoid, ipo, simpo, ...; default ${DEFAULT-VALUE}. sft alone has no"
                                + " reference and logs no rewards.")
        private List<String> lossType = List.of(LossType.SIGMOID.option());

        @Option(
                names = "--loss_weights",
                arity = "1..*",
                split = ",",
                description = "Weight of each loss; default 1 each.")
        private @Nullable List<Float> lossWeights;

        @Option(
                names = "--beta",
                description = "How strongly the policy is held to the reference model; default ${DEFAULT-VALUE}.")
        private double beta = 0.1;

        @Option(
                names = "--label_smoothing",
                description =
                        "Probability that a pair is labelled the wrong way round; default ${DEFAULT-VALUE}. With the loss"
                                + " sigmoid this is conservative DPO (cDPO); TRL 1.16 ignores it there.")
        private double labelSmoothing = 0;

        @Option(
                names = "--f_divergence_type",
                description = "reverse_kl, forward_kl, js_divergence or alpha_divergence; default ${DEFAULT-VALUE}. The"
                        + " last three work with the losses sigmoid, sigmoid_norm, hinge, ipo, exo_pair, robust and"
                        + " discopop only.")
        private String fDivergenceType = Divergence.REVERSE_KL.option();

        @Option(names = "--f_alpha_divergence_coef", description = "Coefficient of alpha_divergence; default 0.5.")
        private @Nullable Float fAlphaDivergenceCoef;

        @Option(names = "--discopop_tau", description = "Temperature of the loss discopop; default 0.05.")
        private @Nullable Float discopopTau;

        @Option(names = "--dpop_lambda", description = "Strength of the penalty of the losses dpop; default 50.")
        private @Nullable Float dpopLambda;

        @Option(names = "--simpo_gamma", description = "Margin of the losses simpo and alphapo; default 0.5.")
        private @Nullable Float simpoGamma;

        @Option(names = "--alphapo_alpha", description = "Alpha of the loss alphapo, which has no default.")
        private @Nullable Float alphapoAlpha;

        @Option(
                names = "--use_weighting",
                arity = "0..1",
                fallbackValue = "true",
                description = "WPO: weight each pair by its probability under the policy.")
        private boolean useWeighting = false;

        @Option(
                names = "--ld_alpha",
                description =
                        "LD-DPO: weight, in [0, 1], of tokens beyond the length of the pair's shorter completion; default 1.")
        private @Nullable Double ldAlpha;

        @Option(
                names = "--reference_free",
                arity = "0..1",
                fallbackValue = "true",
                description = "Take the reference model's log-probs to be 0.")
        private boolean referenceFree = false;

        @Option(
                names = "--bco_running_mean",
                arity = "0..1",
                fallbackValue = "true",
                description = "Shift the loss bco_pair by the mean of all rewards so far.")
        private boolean bcoRunningMean = false;

        private Builder() {
            super(1e-6);
        }

        /** Losses that are summed. */
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

        public Builder beta(double value) {
            beta = value;
            return this;
        }

        public Builder labelSmoothing(double value) {
            labelSmoothing = value;
            return this;
        }

        public Builder fDivergenceType(Divergence value) {
            fDivergenceType = value.option();
            return this;
        }

        public Builder fAlphaDivergenceCoef(float value) {
            fAlphaDivergenceCoef = value;
            return this;
        }

        public Builder discopopTau(float value) {
            discopopTau = value;
            return this;
        }

        public Builder dpopLambda(float value) {
            dpopLambda = value;
            return this;
        }

        public Builder simpoGamma(float value) {
            simpoGamma = value;
            return this;
        }

        public Builder alphapoAlpha(float value) {
            alphapoAlpha = value;
            return this;
        }

        public Builder useWeighting(boolean value) {
            useWeighting = value;
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

        /** Throws, naming the option, when one is missing, out of its range, or read by no loss. */
        public DpoOptions build() {
            return new DpoOptions(
                    trainOptions(), preference(), referenceFree, ldAlpha == null ? 1 : ldAlpha, bcoRunningMean);
        }

        private PreferenceOptions preference() {
            OptionRange.BETA.check(beta);
            PreferenceOptions.Builder options = PreferenceOptions.builder()
                    .beta((float) beta)
                    .labelSmoothing((float) labelSmoothing)
                    .divergence(Divergence.of(fDivergenceType))
                    .weighting(useWeighting);
            addLosses(options);
            give(fAlphaDivergenceCoef, 0.5f, options::divergenceAlpha);
            give(discopopTau, 0.05f, options::discopopTau);
            give(dpopLambda, 50, options::dpopLambda);
            give(simpoGamma, 0.5f, options::simpoGamma);
            if (alphapoAlpha != null) {
                options.alphapoAlpha(alphapoAlpha);
            }
            return options.build();
        }

        /** Gives an option, where it is not the default: that is taken whether or not a loss reads the option. */
        private static void give(@Nullable Float value, float byDefault, Consumer<Float> option) {
            if (value != null && value != byDefault) {
                option.accept(value);
            }
        }

        private void addLosses(PreferenceOptions.Builder options) {
            List<Float> weights = lossWeights;
            if (weights != null && weights.size() != lossType.size()) {
                throw new Dpo4jException("loss_weights has " + weights.size() + " weights for " + lossType.size()
                        + " losses of loss_type; give one each");
            }
            if (weights != null && !weights.stream().allMatch(Float::isFinite)) {
                throw new Dpo4jException("loss_weights is " + weights + "; each must be a finite number");
            }
            for (int i = 0; i < lossType.size(); i++) {
                options.loss(LossType.of(lossType.get(i)), weights == null ? 1 : weights.get(i));
            }
        }
    }
}
