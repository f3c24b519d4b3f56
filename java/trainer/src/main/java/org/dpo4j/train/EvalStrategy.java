package org.dpo4j.train;

/**
 * When a run evaluates, under the names of transformers' {@code eval_strategy}. A run with evaluation data always
 * evaluates after its last step.
 */
public enum EvalStrategy {
    /** After the last step only. */
    NO("no"),
    /** Every {@code eval_steps} steps, and after the last. */
    STEPS("steps"),
    /** At the end of every epoch, and after the last step. */
    EPOCH("epoch");

    private final String option;

    EvalStrategy(String option) {
        this.option = option;
    }

    /** The value of {@code eval_strategy}. */
    @Override
    public String toString() {
        return option;
    }
}
