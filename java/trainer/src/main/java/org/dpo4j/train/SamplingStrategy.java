package org.dpo4j.train;

/** The order of the rows of an epoch, under the names of transformers' {@code train_sampling_strategy}. */
public enum SamplingStrategy {
    /** Another random order in every epoch. */
    RANDOM("random"),
    /** The order of the data. */
    SEQUENTIAL("sequential"),
    /** A random order in which rows of similar length are together. */
    GROUP_BY_LENGTH("group_by_length");

    private final String option;

    SamplingStrategy(String option) {
        this.option = option;
    }

    /** The value of {@code train_sampling_strategy}. */
    @Override
    public String toString() {
        return option;
    }
}
