package org.dpo4j.model;

import java.nio.FloatBuffer;
import java.util.SplittableRandom;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Samples a token from softmax(logits / temperature): inverts the cumulative distribution, in the order of ids, at one
 * uniform random number.
 */
final class TokenSampler {
    private final double temperature;
    private final double[] weights;

    /** @param temperature of the logits that {@link #draw} reads, which may have a constant factor */
    TokenSampler(double temperature, int vocabulary) {
        this.temperature = temperature;
        this.weights = new double[vocabulary];
    }

    /**
     * Samples from the logits at {@code [begin, begin + vocabulary)}. Temperature 0 returns the maximum, the lowest id
     * among equal ones, and uses no random number. Throws if a logit is not finite, because the model has overflowed.
     */
    int draw(FloatBuffer logits, int begin, SplittableRandom random) {
        int argmax = argmax(logits, begin);
        if (temperature == 0) {
            return argmax;
        }
        double max = logits.get(begin + argmax);
        double total = 0;
        for (int id = 0; id < weights.length; id++) {
            weights[id] = Math.exp((logits.get(begin + id) - max) / temperature);
            total += weights[id];
        }
        double left = random.nextDouble() * total;
        for (int id = 0; id < weights.length; id++) {
            left -= weights[id];
            if (left < 0) {
                return id;
            }
        }
        return argmax; // rounding left a remainder
    }

    private int argmax(FloatBuffer logits, int begin) {
        int argmax = 0;
        for (int id = 0; id < weights.length; id++) {
            float logit = logits.get(begin + id);
            if (!Float.isFinite(logit)) {
                throw new Dpo4jException("the logit of token " + id + " is " + logit);
            }
            if (logit > logits.get(begin + argmax)) {
                argmax = id;
            }
        }
        return argmax;
    }
}
