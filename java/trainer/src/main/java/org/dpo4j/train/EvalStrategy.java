package org.dpo4j.train;

/**
 * When the evaluation data is read, under the names of transformers' {@code eval_strategy}. At the end of the run it
 * always is.
 */
public enum EvalStrategy {
    /** At the end only. */
    NO("no"),
    /** Every {@code eval_steps} steps, and at the end. */
    STEPS("steps");

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
