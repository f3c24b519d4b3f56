package org.dpo4j.kernels;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.dpo4j.kernels.internal.PreferenceWords;
import org.jspecify.annotations.Nullable;

/**
 * What {@link PreferenceLoss} computes: a sum of weighted losses and their options, under TRL's names. Checked when
 * built: an option that none of its losses reads is refused by name. Immutable; safe for use by many threads.
 */
public final class PreferenceOptions {

    /**
     * The score {@code s(u)} of a log-ratio (Wang et al. 2024), 0 where the log-ratio is 0. Exponents are taken as at
     * most 80. Losses whose formula in {@link LossType} has {@code u} and no {@code s} are defined for {@link
     * #REVERSE_KL} alone: with another one they are refused.
     */
    public enum Divergence {
        /** {@code u}. */
        REVERSE_KL("reverse_kl"),
        /** {@code 1 - exp(-u)}. */
        FORWARD_KL("forward_kl"),
        /** {@code log 2 + log sigmoid(u)}. */
        JS_DIVERGENCE("js_divergence"),
        /** {@code (exp((a-1) u) - 1) / (a-1)}, {@code u} where {@code a} is 1. */
        ALPHA_DIVERGENCE("alpha_divergence");

        private final String option;

        Divergence(String option) {
            this.option = option;
        }

        /** The value of {@code f_divergence_type} that means this divergence. */
        public String option() {
            return option;
        }

        /** The divergence that an option names. An unknown name throws, listing the known ones. */
        public static Divergence of(String option) {
            for (Divergence divergence : values()) {
                if (divergence.option.equals(option)) {
                    return divergence;
                }
            }
            throw new Dpo4jException("f_divergence_type " + option + " is not supported: use one of "
                    + String.join(
                            ", ",
                            Arrays.stream(values()).map(Divergence::option).toList()));
        }
    }

    /** One loss of the sum. */
    public record Term(LossType loss, float weight) {}

    private final List<Term> terms;
    private final PreferenceWords.Values values;
    private final int[] words;

    private PreferenceOptions(Builder builder) {
        this.terms = List.copyOf(builder.terms);
        this.values = builder.values();
        this.words = PreferenceWords.of(terms, values);
        PreferenceWords.check(words);
    }

    /** One loss of weight 1, beta 0.1, and defaults for what it reads besides. */
    public static PreferenceOptions of(LossType loss) {
        return builder().loss(loss).build();
    }

    public static Builder builder() {
        return new Builder();
    }

    /** The losses that are summed. */
    public List<Term> terms() {
        return terms;
    }

    /** Whether any of the losses measures from a reference model. */
    public boolean reference() {
        return terms.stream().anyMatch(term -> term.loss().reference());
    }

    /** The options that are read, by name: {@code "beta 0.1, label_smoothing 0.05"}. */
    public String options() {
        return values.toString();
    }

    @Override
    public String toString() {
        String losses = terms.stream()
                .map(term -> term.weight() + " " + term.loss().option())
                .collect(Collectors.joining(" + "));
        return losses + ", " + values;
    }

    /** The {@code dpo4j_preference} of the C header, as 4-byte words. */
    int[] words() {
        return words;
    }

    /** Options under construction. */
    public static final class Builder {
        private final List<Term> terms = new ArrayList<>();
        private final Set<LossType> losses = EnumSet.noneOf(LossType.class);
        private float beta = 0.1f;
        private float labelSmoothing;
        private Divergence divergence = Divergence.REVERSE_KL;
        private @Nullable Float divergenceAlpha;
        private @Nullable Float discopopTau;
        private @Nullable Float dpopLambda;
        private @Nullable Float simpoGamma;
        private @Nullable Float alphapoAlpha;
        private boolean weighting;

        private Builder() {}

        /** Adds a loss of weight 1. */
        public Builder loss(LossType loss) {
            return loss(loss, 1);
        }

        /** Adds a loss: {@code [0.8 sigmoid, 0.2 bco_pair, 1 sft]} is MPO, {@code [sigmoid, alpha sft]} RPO. */
        public Builder loss(LossType loss, float weight) {
            terms.add(new Term(loss, weight));
            losses.add(loss);
            return this;
        }

        /** Strength of the pull towards the reference; above 0, default 0.1. */
        public Builder beta(float value) {
            beta = value;
            return this;
        }

        /** Probability that a label is wrong, in [0, 0.5); default 0. */
        public Builder labelSmoothing(float value) {
            labelSmoothing = value;
            return this;
        }

        /** Score of log-ratios; default reverse KL, the one that every loss takes. */
        public Builder divergence(Divergence value) {
            divergence = value;
            return this;
        }

        /** Coefficient of the alpha divergence; default 0.5. */
        public Builder divergenceAlpha(float value) {
            divergenceAlpha = value;
            return this;
        }

        /** Temperature of discopop's blend, in (0, 1]; default 0.05. */
        public Builder discopopTau(float value) {
            discopopTau = value;
            return this;
        }

        /** Strength of DPOP's penalty; default 50. */
        public Builder dpopLambda(float value) {
            dpopLambda = value;
            return this;
        }

        /** Margin of simpo and alphapo; default 0.5. */
        public Builder simpoGamma(float value) {
            simpoGamma = value;
            return this;
        }

        /** Alpha of alphapo, which has no default. */
        public Builder alphapoAlpha(float value) {
            alphapoAlpha = value;
            return this;
        }

        /** Weighs pairs by how likely the policy is to write them (WPO, Zhou et al. 2024); needs statistics. */
        public Builder weighting(boolean value) {
            weighting = value;
            return this;
        }

        /** Throws, naming the option, where one is out of its range or no loss reads it. */
        public PreferenceOptions build() {
            return new PreferenceOptions(this);
        }

        private PreferenceWords.Values values() {
            boolean dpop = losses.contains(LossType.DPOP) || losses.contains(LossType.DPOP_ADDITIVE);
            boolean margin = losses.contains(LossType.SIMPO) || losses.contains(LossType.ALPHAPO);
            if (losses.contains(LossType.ALPHAPO) && alphapoAlpha == null) {
                throw new Dpo4jException("alphapo_alpha is missing: alphapo needs it, 0 makes it simpo");
            }
            return new PreferenceWords.Values(
                    beta,
                    labelSmoothing,
                    divergence,
                    given(divergenceAlpha, divergence == Divergence.ALPHA_DIVERGENCE, 0.5f),
                    given(discopopTau, losses.contains(LossType.DISCOPOP), 0.05f),
                    given(dpopLambda, dpop, 50),
                    given(simpoGamma, margin, 0.5f),
                    given(alphapoAlpha, false, 0),
                    weighting);
        }

        private static float given(@Nullable Float value, boolean read, float byDefault) {
            return value != null ? value : read ? byDefault : 0;
        }
    }
}
