package org.dpo4j.train;

import picocli.CommandLine.Option;

/**
 * All options of {@link SftTrainer}.
 *
 * @param train options shared with {@link DpoOptions}
 * @param assistantOnlyLoss whether only what the chat template marks as generated is learnt
 */
public record SftOptions(TrainOptions train, boolean assistantOnlyLoss) {

    public static Builder builder() {
        return new Builder();
    }

    /** Builds {@link SftOptions}; also the options of the {@code sft} command. */
    public static final class Builder extends TrainOptionsBuilder<Builder> {

        @Option(
                names = "--assistant_only_loss",
                arity = "0..1",
                fallbackValue = "true",
                description =
                        "Learn only what the chat template marks as generated ({%% generation %%}): the answers of"
                                + " conversations. Default ${DEFAULT-VALUE}: all tokens of messages and text, and of rows with a"
                                + " prompt the completion.")
        private boolean assistantOnlyLoss = false;

        private Builder() {
            super(2e-5, SamplingStrategy.RANDOM);
        }

        @Override
        Builder self() {
            return this;
        }

        /** Whether only what the chat template marks as generated is learnt. */
        public Builder assistantOnlyLoss(boolean value) {
            assistantOnlyLoss = value;
            return this;
        }

        /** Builds the options. Throws, naming the option, if one is missing or out of range. */
        public SftOptions build() {
            return new SftOptions(trainOptions(), assistantOnlyLoss);
        }
    }
}
