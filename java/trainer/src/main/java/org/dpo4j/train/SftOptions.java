package org.dpo4j.train;

/**
 * Everything that decides a run of {@link SftTrainer}.
 *
 * @param train what it shares with {@link DpoOptions}
 */
public record SftOptions(TrainOptions train) {

    public static Builder builder() {
        return new Builder();
    }

    /** Options under construction; also the options of the {@code sft} command. */
    public static final class Builder extends TrainOptionsBuilder<Builder> {

        private Builder() {
            super(2e-5);
        }

        @Override
        Builder self() {
            return this;
        }

        /** Throws, naming the option, when one is missing or out of its range. */
        public SftOptions build() {
            return new SftOptions(trainOptions());
        }
    }
}
