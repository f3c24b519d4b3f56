package org.dpo4j.report;

/**
 * What the metrics of a run say about it, in words. A run states each diagnosis once, when its rule first applies.
 *
 * @param rule name of the rule, such as {@code loss_stuck}; it does not change between versions
 * @param step the step of the line of metrics after which the rule applies; 0 before the first step
 * @param text what was seen and what to do, in one line
 */
public record Diagnosis(String rule, int step, String text) {

    /** {@code step 40: the loss ...}. */
    @Override
    public String toString() {
        return step == 0 ? text : "step " + step + ": " + text;
    }
}
