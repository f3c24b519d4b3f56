package org.dpo4j.train;

/**
 * All options of {@link SftTrainer}.
 *
 * @param train options shared with {@link DpoOptions}
 */
public record SftOptions(TrainOptions train) {

    public static Builder builder() {
        return new Builder();
    }

    /** Builds {@link SftOptions}; also the options of the {@code sft} command. */
    public static final class Builder extends TrainOptionsBuilder<Builder> {

        private Builder() {
            super(2e-5);
        }

        @Override
        Builder self() {
            return this;
        }

        /** Builds the options. Throws, naming the option, if one is missing or out of range. */
        public SftOptions build() {
            return new SftOptions(trainOptions());
        }
    }
}
