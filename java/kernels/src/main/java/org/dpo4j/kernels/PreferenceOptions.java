package org.dpo4j.kernels;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.dpo4j.kernels.internal.LossTrait;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.Status;
import org.dpo4j.kernels.internal.StructWriter;
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
        REVERSE_KL(0, "reverse_kl"),
        /** {@code 1 - exp(-u)}. */
        FORWARD_KL(1, "forward_kl"),
        /** {@code log 2 + log sigmoid(u)}. */
        JS_DIVERGENCE(2, "js_divergence"),
        /** {@code (exp((a-1) u) - 1) / (a-1)}, {@code u} where {@code a} is 1. */
        ALPHA_DIVERGENCE(3, "alpha_divergence");

        private final int code;
        private final String option;

        Divergence(int code, String option) {
            this.code = code;
            this.option = option;
        }

        /** The {@code dpo4j_divergence} of the C header. */
        int code() {
            return code;
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

    /**
     * A numeric option of some losses. If it is not set, these losses use its default. Setting it is refused if no loss of
     * the options reads it. The constants have the order of the fields in {@code dpo4j_preference}.
     */
    public enum Scalar {
        /** Temperature of discopop's blend, in (0, 1]. */
        DISCOPOP_TAU(1 << 16, "discopop_tau", Default.DISCOPOP_TAU),
        /** Strength of DPOP's penalty. */
        DPOP_LAMBDA(1 << 17, "dpop_lambda", Default.DPOP_LAMBDA),
        /** Margin of simpo and alphapo. */
        SIMPO_GAMMA(1 << 18, "simpo_gamma", Default.SIMPO_GAMMA),
        /** Alpha of alphapo, which has no default. */
        ALPHAPO_ALPHA(1 << 19, "alphapo_alpha", null);

        private final int trait;
        private final String option;
        private final @Nullable Float byDefault;

        Scalar(int trait, String option, @Nullable Float byDefault) {
            this.trait = trait;
            this.option = option;
            this.byDefault = byDefault;
        }

        /** The bit of a loss's {@code dpo4j_loss_traits} that says that it reads this. */
        int trait() {
            return trait;
        }

        /** Whether this loss reads it. */
        public boolean isReadBy(LossType loss) {
            return LossTrait.has(loss.code(), trait);
        }

        /** The name of the option. */
        public String option() {
            return option;
        }

        /** What a loss that reads it takes where it is not given; null where it must be given. */
        public @Nullable Float byDefault() {
            return byDefault;
        }
    }

    /** Values of options that are not given. */
    public static final class Default {
        public static final double BETA = 0.1;
        public static final float DIVERGENCE_ALPHA = 0.5f;
        public static final float DISCOPOP_TAU = 0.05f;
        public static final float DPOP_LAMBDA = 50;
        public static final float SIMPO_GAMMA = 0.5f;

        private Default() {}
    }

    /** One loss of the sum. */
    public record Term(LossType loss, float weight) {}

    private static final Scalar[] SCALARS = Scalar.values();

    /** {@code DPO4J_TERMS}. */
    private static final int MAX_TERMS = 8;

    private final List<Term> terms;
    private final float beta;
    private final float labelSmoothing;
    private final Divergence divergence;
    private final float divergenceAlpha;
    private final float[] scalars;
    private final boolean weighting;
    private final int[] codes = new int[MAX_TERMS];
    private final float[] weights = new float[MAX_TERMS];

    private PreferenceOptions(Builder builder) {
        this.terms = List.copyOf(builder.terms);
        this.beta = (float) builder.beta;
        this.labelSmoothing = (float) builder.labelSmoothing;
        this.divergence = builder.divergence;
        this.divergenceAlpha = builder.divergenceAlpha();
        this.scalars = builder.scalars();
        this.weighting = builder.weighting;
        if (terms.isEmpty() || terms.size() > MAX_TERMS) {
            throw new Dpo4jException("loss_type names " + terms.size() + " losses: name one, or up to " + MAX_TERMS);
        }
        for (int i = 0; i < terms.size(); i++) {
            codes[i] = terms.get(i).loss().code();
            weights[i] = terms.get(i).weight();
        }
        check();
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

    /** Whether some loss measures from a reference model. */
    public boolean hasReference() {
        return terms.stream().anyMatch(term -> term.loss().hasReference());
    }

    /** Whether some loss has no reference-free form. */
    public boolean needsReference() {
        return terms.stream().anyMatch(term -> term.loss().needsReference());
    }

    /** Whether some loss reads the running mean of rewards. */
    public boolean hasRunningMean() {
        return terms.stream().anyMatch(term -> term.loss().hasRunningMean());
    }

    /** Whether some loss is a mean over the chosen tokens of an optimizer step. */
    public boolean hasTokenMean() {
        return terms.stream().anyMatch(term -> term.loss().reduction() == LossType.Reduction.TOKENS);
    }

    /** The options that are read, by name: {@code "beta 0.1, label_smoothing 0.05"}. */
    public String options() {
        StringBuilder text = new StringBuilder("beta ").append(beta);
        append(text, "label_smoothing", labelSmoothing);
        if (divergence != Divergence.REVERSE_KL) {
            text.append(", f_divergence_type ").append(divergence.option());
        }
        append(text, "f_alpha_divergence_coef", divergenceAlpha);
        for (int i = 0; i < SCALARS.length; i++) {
            append(text, SCALARS[i].option(), scalars[i]);
        }
        return weighting ? text + ", use_weighting" : text.toString();
    }

    private static void append(StringBuilder text, String name, float value) {
        if (value != 0) {
            text.append(", ").append(name).append(' ').append(value);
        }
    }

    @Override
    public String toString() {
        String losses = terms.stream()
                .map(term -> term.weight() + " " + term.loss().option())
                .collect(Collectors.joining(" + "));
        return losses + ", " + options();
    }

    /** The fields of the C header's {@code dpo4j_preference}. */
    StructWriter write(StructWriter struct) {
        struct.int32("terms", terms.size())
                .int32s("loss", codes)
                .float32s("weight", weights)
                .float32("beta", beta)
                .float32("label_smoothing", labelSmoothing)
                .int32("f_divergence_type", divergence.code())
                .float32("f_alpha_divergence_coef", divergenceAlpha);
        for (int i = 0; i < SCALARS.length; i++) {
            struct.float32(SCALARS[i].option(), scalars[i]);
        }
        return struct.int32("use_weighting", weighting ? 1 : 0);
    }

    /** The address of a {@code dpo4j_preference} with these fields, until this thread writes another struct. */
    long struct() {
        return write(StructWriter.begin("dpo4j_preference")).end();
    }

    private void check() {
        byte[] text = new byte[Status.TEXT_BYTES];
        if (Native.dpo4j_preference_check(struct(), text, text.length) != 0) {
            // the library begins its text with the name of the call; the option's name behind it says enough
            throw new Dpo4jException(Status.text(text).replaceFirst("^preference options: ", ""));
        }
    }

    /** Options under construction. */
    public static final class Builder {
        private final List<Term> terms = new ArrayList<>();
        private final Map<Scalar, Float> given = new EnumMap<>(Scalar.class);
        private double beta = Default.BETA;
        private double labelSmoothing;
        private Divergence divergence = Divergence.REVERSE_KL;
        private @Nullable Float divergenceAlpha;
        private boolean weighting;

        private Builder() {}

        /** Adds a loss of weight 1. */
        public Builder loss(LossType loss) {
            return loss(loss, 1);
        }

        /** Adds a loss: {@code [0.8 sigmoid, 0.2 bco_pair, 1 sft]} is MPO, {@code [sigmoid, alpha sft]} RPO. */
        public Builder loss(LossType loss, float weight) {
            terms.add(new Term(loss, weight));
            return this;
        }

        /** These losses instead of those added so far. */
        public Builder losses(List<Term> values) {
            terms.clear();
            terms.addAll(values);
            return this;
        }

        /** Strength of the pull towards the reference; above 0. The kernels read it as fp32. */
        public Builder beta(double value) {
            beta = value;
            return this;
        }

        public double beta() {
            return beta;
        }

        /** Probability that a label is wrong, in [0, 0.5); default 0. The kernels read it as fp32. */
        public Builder labelSmoothing(double value) {
            labelSmoothing = value;
            return this;
        }

        /** Score of log-ratios; default reverse KL, the one that every loss takes. */
        public Builder divergence(Divergence value) {
            divergence = value;
            return this;
        }

        /** Coefficient of the alpha divergence; null for its default. */
        public Builder divergenceAlpha(@Nullable Float value) {
            divergenceAlpha = value;
            return this;
        }

        /** Temperature of discopop's blend, in (0, 1]. */
        public Builder discopopTau(float value) {
            return scalar(Scalar.DISCOPOP_TAU, value);
        }

        /** Strength of DPOP's penalty. */
        public Builder dpopLambda(float value) {
            return scalar(Scalar.DPOP_LAMBDA, value);
        }

        /** Margin of simpo and alphapo. */
        public Builder simpoGamma(float value) {
            return scalar(Scalar.SIMPO_GAMMA, value);
        }

        /** Alpha of alphapo, which has no default. */
        public Builder alphapoAlpha(float value) {
            return scalar(Scalar.ALPHAPO_ALPHA, value);
        }

        /** An option that some losses read; null for its default. */
        public Builder scalar(Scalar scalar, @Nullable Float value) {
            if (value == null) {
                given.remove(scalar);
            } else {
                given.put(scalar, value);
            }
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

        private float divergenceAlpha() {
            if (divergenceAlpha != null) {
                return divergenceAlpha;
            }
            return divergence == Divergence.ALPHA_DIVERGENCE ? Default.DIVERGENCE_ALPHA : 0;
        }

        /** What is given, then the defaults of what the losses read, else 0. */
        private float[] scalars() {
            float[] values = new float[SCALARS.length];
            for (int i = 0; i < SCALARS.length; i++) {
                values[i] = value(SCALARS[i]);
            }
            return values;
        }

        private float value(Scalar scalar) {
            Float value = given.get(scalar);
            if (value != null) {
                return value;
            }
            for (Term term : terms) {
                if (!scalar.isReadBy(term.loss())) {
                    continue;
                }
                Float byDefault = scalar.byDefault();
                if (byDefault == null) {
                    throw new Dpo4jException(scalar.option() + " is missing: the loss "
                            + term.loss().option() + " needs it, and it has no default");
                }
                return byDefault;
            }
            return 0;
        }
    }
}
