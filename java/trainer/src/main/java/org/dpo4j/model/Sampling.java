package org.dpo4j.model;

import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.SampleTokens;

/**
 * How the next token is chosen, as by the options of the same names of transformers' {@code generate}, in its order:
 * repetition penalty, temperature, top_k, top_p, min_p.
 *
 * @param temperature divides the scores; 0 picks the max score, and the lowest id among equal ones. Then top_k, top_p
 *     and min_p have no effect
 * @param topK keeps tokens whose score is at least the k-th largest; 0: all
 * @param topP keeps the most probable tokens that together have this probability; 1: all
 * @param minP removes tokens whose probability is below this part of the max probability; 0: none
 * @param repetitionPenalty divides the scores of tokens of the prompt and of the text so far, or multiplies negative
 *     ones; 1: none
 */
public record Sampling(double temperature, int topK, double topP, double minP, double repetitionPenalty) {
    /** The token with the max score. */
    public static final Sampling GREEDY = new Sampling(0);

    private static final double MIN_TEMPERATURE = 1e-30;

    public Sampling {
        check(
                temperature == 0 || temperature >= MIN_TEMPERATURE && temperature <= 1e6,
                "temperature is " + temperature + "; it must be 0 (greedy), or from 1e-30 to 1e6");
        check(topK >= 0, "top_k is " + topK + "; it must be 0 (all tokens) or positive");
        check(topP >= 0 && topP <= 1, "top_p is " + topP + "; it must be in [0, 1]");
        check(minP >= 0 && minP <= 1, "min_p is " + minP + "; it must be in [0, 1]");
        check(
                repetitionPenalty > 0 && repetitionPenalty <= 1e6 && (float) repetitionPenalty > 0,
                "repetition_penalty is " + repetitionPenalty + "; it must be above 0 and at most 1e6");
    }

    /** Without any other option. */
    public Sampling(double temperature) {
        this(temperature, 0, 1, 0, 1);
    }

    SampleTokens.Choice choice() {
        return new SampleTokens.Choice(
                (float) repetitionPenalty, (float) temperature, topK, (float) topP, (float) minP);
    }

    private static void check(boolean holds, String otherwise) {
        if (!holds) {
            throw new Dpo4jException(otherwise);
        }
    }
}
