package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import java.util.List;

/**
 * How the rotary frequencies {@code theta^(-2 i / width)} of a model are changed, so that it reads longer sequences than
 * it was first trained with. Every step is in f32 and in the order of transformers' {@code modeling_rope_utils}, because
 * models were trained with these numbers.
 */
public sealed interface RopeScaling {
    /** Frequencies as they are. */
    RopeScaling NONE = new None();

    /** {@code width / 2} frequencies, for sequences up to the model's max positions. */
    float[] frequencies(double theta, int width);

    /** The frequencies of sequences that are longer than {@link LongRope#originalPositions}. */
    default float[] longFrequencies(double theta, int width) {
        return frequencies(theta, width);
    }

    /** Multiplies cosines and sines. */
    default double attentionFactor() {
        return 1;
    }

    /**
     * {@code 1 / theta^(2 i / width)}, every step in f32: {@code 1.0 / (base ** (torch.arange(0, dim, 2).float() /
     * dim))}. The power here is the f32 number nearest to the exact one. PyTorch's power depends on the processor
     * (glibc, SLEEF or CUDA) and is sometimes a neighbouring f32 number. A frequency and its angles then differ by a
     * relative 2^-23 or 2^-22.
     */
    private static float[] unscaled(double theta, int width) {
        float[] frequencies = new float[width / 2];
        for (int i = 0; i < frequencies.length; i++) {
            frequencies[i] = 1 / power(theta, i, width);
        }
        return frequencies;
    }

    private static float power(double theta, int i, int width) {
        float exponent = 2f * i / width;
        return (float) StrictMath.pow((float) theta, exponent);
    }

    private static void checkFactor(String name, double value) {
        check(
                value > 0 && value <= Float.MAX_VALUE,
                name + " of the rotary positions is " + value + "; it must be positive and within fp32");
    }

    private static void checkPositions(int original) {
        check(
                original > 1,
                "original_max_position_embeddings is " + original + "; a number of positions above 1 is expected");
    }

    /** No scaling. */
    record None() implements RopeScaling {
        @Override
        public float[] frequencies(double theta, int width) {
            return unscaled(theta, width);
        }
    }

    /** All frequencies divided by {@code factor} (Chen et al. 2023). */
    record Linear(double factor) implements RopeScaling {
        public Linear {
            checkFactor("factor", factor);
        }

        @Override
        public float[] frequencies(double theta, int width) {
            float[] frequencies = unscaled(theta, width);
            for (int i = 0; i < frequencies.length; i++) {
                frequencies[i] /= (float) factor;
            }
            return frequencies;
        }
    }

    /**
     * A larger theta for sequences beyond the model's max positions. Up to there, and dpo4j refuses longer sequences, it
     * has no effect.
     */
    record Dynamic(double factor) implements RopeScaling {
        public Dynamic {
            checkFactor("factor", factor);
        }

        @Override
        public float[] frequencies(double theta, int width) {
            return unscaled(theta, width);
        }
    }

    /**
     * Llama 3.1: divides low frequencies by {@code factor}, keeps high ones, and interpolates between.
     *
     * @param lowFrequencyFactor turns in {@code originalPositions} below which a frequency is low
     * @param highFrequencyFactor turns in {@code originalPositions} above which a frequency is high
     */
    record Llama3(double factor, double lowFrequencyFactor, double highFrequencyFactor, int originalPositions)
            implements RopeScaling {
        public Llama3 {
            checkFactor("factor", factor);
            checkFactor("low_freq_factor", lowFrequencyFactor);
            checkFactor("high_freq_factor", highFrequencyFactor);
            checkPositions(originalPositions);
            check(
                    lowFrequencyFactor < highFrequencyFactor,
                    "low_freq_factor is " + lowFrequencyFactor + " and high_freq_factor " + highFrequencyFactor
                            + "; the first must be the lower");
        }

        @Override
        public float[] frequencies(double theta, int width) {
            float[] frequencies = unscaled(theta, width);
            for (int i = 0; i < frequencies.length; i++) {
                frequencies[i] = scaled(frequencies[i]);
            }
            return frequencies;
        }

        private float scaled(float frequency) {
            float wavelength = (float) (2 * Math.PI) / frequency;
            if (wavelength > (float) (originalPositions / lowFrequencyFactor)) {
                return frequency / (float) factor;
            }
            if (wavelength < (float) (originalPositions / highFrequencyFactor)) {
                return frequency;
            }
            float turns = originalPositions / wavelength;
            float kept = (turns - (float) lowFrequencyFactor) / (float) (highFrequencyFactor - lowFrequencyFactor);
            return (1 - kept) * frequency / (float) factor + kept * frequency;
        }
    }

    /**
     * YaRN (Peng et al. 2023): as {@link Llama3}, with a ramp over the index of the frequency rather than over its
     * wavelength, and a factor of cosines and sines.
     *
     * @param betaFast turns in {@code originalPositions} at which the ramp begins
     * @param betaSlow turns at which it ends
     * @param isTruncated whether the ends of the ramp are rounded outwards to indices
     */
    record Yarn(
            double factor,
            double betaFast,
            double betaSlow,
            boolean isTruncated,
            int originalPositions,
            double attentionFactor)
            implements RopeScaling {
        public Yarn {
            checkFactor("factor", factor);
            checkFactor("beta_fast", betaFast);
            checkFactor("beta_slow", betaSlow);
            checkFactor("attention_factor", attentionFactor);
            checkPositions(originalPositions);
        }

        /** The paper's factor of cosines and sines, {@code 0.1 weight ln(factor) + 1}; 1 if nothing is stretched. */
        static double attentionFactor(double factor, double weight) {
            return factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1;
        }

        @Override
        public float[] frequencies(double theta, int width) {
            double first = index(betaFast, theta, width);
            double last = index(betaSlow, theta, width);
            double begin = Math.max(isTruncated ? Math.floor(first) : first, 0);
            double end = Math.min(isTruncated ? Math.ceil(last) : last, width - 1);
            double length = (begin == end ? end + 0.001 : end) - begin;
            float[] frequencies = new float[width / 2];
            for (int i = 0; i < frequencies.length; i++) {
                float ramp = (i - (float) begin) / (float) length;
                float kept = 1 - Math.min(Math.max(ramp, 0), 1);
                float power = power(theta, i, width);
                frequencies[i] = 1 / ((float) factor * power) * (1 - kept) + 1 / power * kept;
            }
            return frequencies;
        }

        /** The index, not rounded, of the frequency with that many turns in {@code originalPositions}. */
        private double index(double turns, double theta, int width) {
            return width * Math.log(originalPositions / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
        }
    }

    /**
     * LongRoPE (Ding et al. 2024): a divisor for each frequency, from one list for sequences of up to {@code
     * originalPositions} tokens and from another for longer ones.
     *
     * @param attentionFactor of both
     */
    record LongRope(List<Double> shortFactors, List<Double> longFactors, int originalPositions, double attentionFactor)
            implements RopeScaling {
        public LongRope {
            shortFactors = List.copyOf(shortFactors);
            longFactors = List.copyOf(longFactors);
            shortFactors.forEach(factor -> checkFactor("short_factor", factor));
            longFactors.forEach(factor -> checkFactor("long_factor", factor));
            checkFactor("attention_factor", attentionFactor);
            checkPositions(originalPositions);
        }

        /** The paper's factor of cosines and sines. */
        static double attentionFactor(double factor, int originalPositions) {
            return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(originalPositions));
        }

        /** Of sequences of up to {@code originalPositions} tokens. */
        @Override
        public float[] frequencies(double theta, int width) {
            return divided(theta, width, shortFactors);
        }

        @Override
        public float[] longFrequencies(double theta, int width) {
            return divided(theta, width, longFactors);
        }

        private static float[] divided(double theta, int width, List<Double> factors) {
            float[] frequencies = new float[width / 2];
            for (int i = 0; i < frequencies.length; i++) {
                frequencies[i] = 1 / (factors.get(i).floatValue() * power(theta, i, width));
            }
            return frequencies;
        }
    }
}
