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
 * Options of {@link PreferenceLoss}, under TRL's names: a weighted sum of losses, and the options that they read.
 * {@link Builder#build} refuses an option that none of the losses reads. Immutable and thread-safe.
 */
public final class PreferenceOptions {

    /**
     * The score {@code s(u)} of a log-ratio {@code u} (Wang et al. 2024), with {@code s(0) = 0}. Exponents are limited
     * to 80. A loss whose formula in {@link LossType} has {@code u} but not {@code s(u)} is defined only for {@link
     * #REVERSE_KL}, and is refused with any other divergence.
     */
    public enum Divergence {
        /** {@code u}. */
        REVERSE_KL(0, "reverse_kl"),
        /** {@code 1 - exp(-u)}. */
        FORWARD_KL(1, "forward_kl"),
        /** {@code log 2 + log sigmoid(u)}. */
        JS_DIVERGENCE(2, "js_divergence"),
        /** {@code (exp((a-1) u) - 1) / (a-1)}, or {@code u} if {@code a} is 1. */
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

        /** The name of this divergence in {@code f_divergence_type}. */
        public String option() {
            return option;
        }

        /** Returns the divergence with this name in {@code f_divergence_type}. Throws if the name is unknown. */
        public static Divergence fromOption(String option) {
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
     * A numeric option that some losses read. It is refused if no loss of the options reads it. The constants have the
     * order of the fields in {@code dpo4j_preference}.
     */
    public enum Scalar {
        /** Temperature of the sigmoid that blends discopop's two losses, in (0, 1]. */
        DISCOPOP_TAU(1 << 16, "discopop_tau", Default.DISCOPOP_TAU),
        /** Factor of the penalty of dpop and dpop_additive, at least 0. */
        DPOP_LAMBDA(1 << 17, "dpop_lambda", Default.DPOP_LAMBDA),
        /** Target margin of simpo and alphapo. */
        SIMPO_GAMMA(1 << 18, "simpo_gamma", Default.SIMPO_GAMMA),
        /** Alpha of alphapo, which has no default. */
        ALPHAPO_ALPHA(1 << 19, "alphapo_alpha", "0 makes it simpo");

        private final int trait;
        private final String option;
        private final @Nullable Float defaultValue;
        private final String advice;

        Scalar(int trait, String option, Float defaultValue) {
            this.trait = trait;
            this.option = option;
            this.defaultValue = defaultValue;
            this.advice = "";
        }

        /** Without a default. {@code advice} ends the error for a missing value. */
        Scalar(int trait, String option, String advice) {
            this.trait = trait;
            this.option = option;
            this.defaultValue = null;
            this.advice = advice;
        }

        /** The {@code dpo4j_trait} bit of losses that read it. */
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

        /** The value if it is not set; null if a loss that reads it needs it to be set. */
        public @Nullable Float defaultValue() {
            return defaultValue;
        }
    }

    /** Default values of options. */
    public static final class Default {
        public static final double BETA = 0.1;
        public static final float DIVERGENCE_ALPHA = 0.5f;
        public static final float DISCOPOP_TAU = 0.05f;
        public static final float DPOP_LAMBDA = 50;
        public static final float SIMPO_GAMMA = 0.5f;

        private Default() {}
    }

    /** A loss of the sum and its weight. */
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

    /** Returns options for one loss of weight 1; everything else has its default. */
    public static PreferenceOptions forLoss(LossType loss) {
        return builder().loss(loss).build();
    }

    public static Builder builder() {
        return new Builder();
    }

    /** The losses of the sum. */
    public List<Term> terms() {
        return terms;
    }

    /** Whether a loss reads log-probs of a reference model. */
    public boolean hasReference() {
        return terms.stream().anyMatch(term -> term.loss().hasReference());
    }

    /** Whether a loss is undefined without a reference model. */
    public boolean needsReference() {
        return terms.stream().anyMatch(term -> term.loss().needsReference());
    }

    /** Whether a loss reads the running mean of rewards. */
    public boolean hasRunningMean() {
        return terms.stream().anyMatch(term -> term.loss().hasRunningMean());
    }

    /** Whether a loss is a mean over the chosen tokens of an optimizer step. */
    public boolean hasTokenMean() {
        return terms.stream().anyMatch(term -> term.loss().reduction() == LossType.Reduction.TOKENS);
    }

    /** Strength of the KL penalty towards the reference; a reward is beta times the log-ratio. */
    public float beta() {
        return beta;
    }

    /** Beta and the options that are not 0, by name: {@code "beta 0.1, label_smoothing 0.05"}. */
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

    /** Writes the fields of {@code dpo4j_preference}. */
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

    /** Writes a {@code dpo4j_preference} and returns its address, valid until this thread writes another struct. */
    long struct() {
        return write(StructWriter.begin("dpo4j_preference")).end();
    }

    private void check() {
        byte[] text = new byte[Status.TEXT_BYTES];
        if (Native.dpo4j_preference_check(struct(), text, text.length) != 0) {
            // drops the name of the call from the start of the text: the name of the option follows it
            throw new Dpo4jException(Status.text(text).replaceFirst("^preference options: ", ""));
        }
    }

    /** Builds {@link PreferenceOptions}. */
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

        /** Adds a loss. {@code [0.8 sigmoid, 0.2 bco_pair, 1 sft]} is MPO; {@code [sigmoid, alpha sft]} is RPO. */
        public Builder loss(LossType loss, float weight) {
            terms.add(new Term(loss, weight));
            return this;
        }

        /** Replaces the losses added so far. */
        public Builder losses(List<Term> values) {
            terms.clear();
            terms.addAll(values);
            return this;
        }

        /** A higher beta keeps the policy closer to the reference; above 0; default 0.1. Rounded to fp32. */
        public Builder beta(double value) {
            beta = value;
            return this;
        }

        public double beta() {
            return beta;
        }

        /** Probability that a label is wrong, in [0, 0.5); default 0. Rounded to fp32. */
        public Builder labelSmoothing(double value) {
            labelSmoothing = value;
            return this;
        }

        /** The divergence whose score is used; default reverse KL, which every loss supports. */
        public Builder divergence(Divergence value) {
            divergence = value;
            return this;
        }

        /** Coefficient {@code a} of the alpha divergence; null: 0.5. */
        public Builder divergenceAlpha(@Nullable Float value) {
            divergenceAlpha = value;
            return this;
        }

        /** Temperature of the sigmoid that blends discopop's two losses, in (0, 1]. */
        public Builder discopopTau(float value) {
            return scalar(Scalar.DISCOPOP_TAU, value);
        }

        /** Factor of the penalty of dpop and dpop_additive, at least 0. */
        public Builder dpopLambda(float value) {
            return scalar(Scalar.DPOP_LAMBDA, value);
        }

        /** Target margin of simpo and alphapo. */
        public Builder simpoGamma(float value) {
            return scalar(Scalar.SIMPO_GAMMA, value);
        }

        /** Alpha of alphapo, which has no default. */
        public Builder alphapoAlpha(float value) {
            return scalar(Scalar.ALPHAPO_ALPHA, value);
        }

        /** Sets an option that some losses read; null: its default. */
        public Builder scalar(Scalar scalar, @Nullable Float value) {
            if (value == null) {
                given.remove(scalar);
            } else {
                given.put(scalar, value);
            }
            return this;
        }

        /** Weights pairs by their likelihood under the policy (WPO, Zhou et al. 2024); needs statistics. */
        public Builder weighting(boolean value) {
            weighting = value;
            return this;
        }

        /** Throws if an option is out of its range or no loss reads it, and names the option. */
        public PreferenceOptions build() {
            return new PreferenceOptions(this);
        }

        private float divergenceAlpha() {
            if (divergenceAlpha != null) {
                return divergenceAlpha;
            }
            return divergence == Divergence.ALPHA_DIVERGENCE ? Default.DIVERGENCE_ALPHA : 0;
        }

        /** The value that is set, else the default if a loss reads the option, else 0. */
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
                Float defaultValue = scalar.defaultValue();
                if (defaultValue == null) {
                    throw new Dpo4jException(scalar.option() + " is missing: the loss "
                            + term.loss().option() + " needs it, and it has no default; " + scalar.advice);
                }
                return defaultValue;
            }
            return 0;
        }
    }
}
