package org.dpo4j.quickstart;

/**
 * The size of an experiment.
 *
 * @param reviews number of reviews in the corpus
 * @param hidden hidden size of the model
 * @param layers layers of the model
 * @param epochs epochs over the corpus
 * @param prompts number of prompts for pairs
 * @param samples samples per prompt; two make a pair
 * @param heldOut number of prompts for the comparison
 */
public record Size(int reviews, int hidden, int layers, int epochs, int prompts, int samples, int heldOut) {

    /** About a million parameters; takes less than two minutes on two cores. */
    public static final Size QUICKSTART = new Size(4000, 128, 4, 3, 400, 8, 200);
}
