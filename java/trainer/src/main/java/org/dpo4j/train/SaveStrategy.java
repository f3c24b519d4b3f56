package org.dpo4j.train;

/** When a run writes checkpoints, under the names of transformers' {@code save_strategy}. */
public enum SaveStrategy {
    /** Never: the model is saved at the end. */
    NO("no"),
    /** Every {@code save_steps} steps. */
    STEPS("steps"),
    /** At the end of every epoch. */
    EPOCH("epoch"),
    /** After each evaluation whose {@code metric_for_best_model} is the best so far. */
    BEST("best");

    private final String option;

    SaveStrategy(String option) {
        this.option = option;
    }

    /** The value of {@code save_strategy}. */
    @Override
    public String toString() {
        return option;
    }
}
