package org.dpo4j.quickstart;

/**
 * How much the experiment does.
 *
 * @param reviews texts of the corpus
 * @param hidden width of the model
 * @param layers of the model
 * @param epochs over the corpus
 * @param prompts that pairs are made from
 * @param samples drawn of each prompt; two make a pair
 * @param heldOut prompts that models are compared on
 */
public record Size(int reviews, int hidden, int layers, int epochs, int prompts, int samples, int heldOut) {

    /** About a million parameters and under two minutes on two cores. */
    public static final Size QUICKSTART = new Size(4000, 128, 4, 3, 400, 8, 200);
}
