package org.dpo4j.kernels.internal;

import java.util.List;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.dpo4j.kernels.PreferenceOptions.Term;

/** The {@code dpo4j_preference} of the C header, as 4-byte words. */
public final class PreferenceWords {
    /** {@code DPO4J_TERMS}. */
    private static final int MOST_TERMS = 8;

    private static final int SCALARS = 9;

    /** The fields after the terms; what is not given is 0. */
    public record Values(
            float beta,
            float labelSmoothing,
            Divergence divergence,
            float divergenceAlpha,
            float discopopTau,
            float dpopLambda,
            float simpoGamma,
            float alphapoAlpha,
            boolean weighting) {

        /** What is given, by name. */
        @Override
        public String toString() {
            StringBuilder text = new StringBuilder("beta ").append(beta);
            append(text, "label_smoothing", labelSmoothing);
            if (divergence != Divergence.REVERSE_KL) {
                text.append(", f_divergence_type ").append(divergence.option());
            }
            append(text, "f_alpha_divergence_coef", divergenceAlpha);
            append(text, "discopop_tau", discopopTau);
            append(text, "dpop_lambda", dpopLambda);
            append(text, "simpo_gamma", simpoGamma);
            append(text, "alphapo_alpha", alphapoAlpha);
            return weighting ? text + ", use_weighting" : text.toString();
        }

        private static void append(StringBuilder text, String name, float value) {
            if (value != 0) {
                text.append(", ").append(name).append(' ').append(value);
            }
        }
    }

    private PreferenceWords() {}

    /** In the order of the header. */
    public static int[] of(List<Term> terms, Values values) {
        if (terms.isEmpty() || terms.size() > MOST_TERMS) {
            throw new Dpo4jException("loss_type names " + terms.size() + " losses: name one, or up to " + MOST_TERMS);
        }
        int[] words = new int[1 + 2 * MOST_TERMS + SCALARS];
        words[0] = terms.size();
        for (int term = 0; term < terms.size(); term++) {
            words[1 + term] = terms.get(term).loss().code();
            words[1 + MOST_TERMS + term] =
                    Float.floatToRawIntBits(terms.get(term).weight());
        }
        int[] scalars = {
            Float.floatToRawIntBits(values.beta),
            Float.floatToRawIntBits(values.labelSmoothing),
            values.divergence.ordinal(),
            Float.floatToRawIntBits(values.divergenceAlpha),
            Float.floatToRawIntBits(values.discopopTau),
            Float.floatToRawIntBits(values.dpopLambda),
            Float.floatToRawIntBits(values.simpoGamma),
            Float.floatToRawIntBits(values.alphapoAlpha),
            values.weighting ? 1 : 0
        };
        System.arraycopy(scalars, 0, words, 1 + 2 * MOST_TERMS, SCALARS);
        return words;
    }

    /** Throws, naming the option, where no call could take these. */
    public static void check(int[] words) {
        NativeLibrary.load();
        byte[] text = new byte[Status.TEXT_BYTES];
        if (Native.dpo4j_preference_check(words, text, text.length) != 0) {
            // the library begins its text with the name of the call; the option's name behind it says enough
            throw new Dpo4jException(Status.text(text).replaceFirst("^preference options: ", ""));
        }
    }
}
