package org.dpo4j.model;

import java.nio.FloatBuffer;
import java.util.SplittableRandom;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Draws a token from softmax(logits / temperature). One uniform number a token, by inversion of the cumulative sum in
 * id order.
 */
final class TokenSampler {
    private final double temperature;
    private final double[] weights;

    TokenSampler(double temperature, int vocabulary) {
        this.temperature = temperature;
        this.weights = new double[vocabulary];
    }

    /**
     * Logits stand at {@code [begin, begin + vocabulary)}. Temperature 0 takes the largest, the lowest id among equals,
     * and no number. Throws where a logit is not finite: its model has overflowed.
     */
    int draw(FloatBuffer logits, int begin, SplittableRandom random) {
        int largest = argmax(logits, begin);
        if (temperature == 0) {
            return largest;
        }
        double highest = logits.get(begin + largest);
        double total = 0;
        for (int id = 0; id < weights.length; id++) {
            weights[id] = Math.exp((logits.get(begin + id) - highest) / temperature);
            total += weights[id];
        }
        double left = random.nextDouble() * total;
        for (int id = 0; id < weights.length; id++) {
            left -= weights[id];
            if (left < 0) {
                return id;
            }
        }
        return largest; // rounding ate the last sliver
    }

    private int argmax(FloatBuffer logits, int begin) {
        int largest = 0;
        for (int id = 0; id < weights.length; id++) {
            float logit = logits.get(begin + id);
            if (!Float.isFinite(logit)) {
                throw new Dpo4jException("the logit of token " + id + " is " + logit);
            }
            if (logit > logits.get(begin + largest)) {
                largest = id;
            }
        }
        return largest;
    }
}
