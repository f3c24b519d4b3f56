package org.dpo4j.train;

import org.dpo4j.kernels.LossType;
import picocli.CommandLine.Option;

/**
 * Everything that decides a run of {@link DpoTrainer}.
 *
 * @param train what it shares with {@link SftOptions}
 * @param lossType of the pairs
 * @param beta strength of the pull to the reference model, above 0
 * @param labelSmoothing probability that a pair is labelled the wrong way round, in [0, 0.5)
 */
public record DpoOptions(TrainOptions train, LossType lossType, double beta, double labelSmoothing) {

    public DpoOptions {
        TrainOptions.within("beta", beta, beta > 0, "positive");
        TrainOptions.within(
                "label_smoothing",
                labelSmoothing,
                labelSmoothing >= 0 && labelSmoothing < 0.5,
                "at least 0 and below 0.5");
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Options under construction; also the options of the {@code dpo} command. */
    public static final class Builder extends TrainOptionsBuilder<Builder> {

        @Option(names = "--loss_type", description = "Loss of a pair; default ${DEFAULT-VALUE}.")
        private String lossType = LossType.SIGMOID.option();

        @Option(
                names = "--beta",
                description = "Strength of the pull to the reference model; default ${DEFAULT-VALUE}.")
        private double beta = 0.1;

        @Option(
                names = "--label_smoothing",
                description = "Probability that a pair is labelled the wrong way round; default ${DEFAULT-VALUE}.")
        private double labelSmoothing = 0;

        private Builder() {
            super(1e-6);
        }

        public Builder lossType(LossType value) {
            lossType = value.option();
            return this;
        }

        public Builder beta(double value) {
            beta = value;
            return this;
        }

        public Builder labelSmoothing(double value) {
            labelSmoothing = value;
            return this;
        }

        @Override
        Builder self() {
            return this;
        }

        /** Throws, naming the option, when one is missing or out of its range. */
        public DpoOptions build() {
            return new DpoOptions(trainOptions(), LossType.of(lossType), beta, labelSmoothing);
        }
    }
}
