package org.dpo4j.train;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.UnpairedLoss;
import org.dpo4j.kernels.UnpairedLoss.Type;
import picocli.CommandLine.Option;

/**
 * All options of {@link KtoTrainer}, with the names and defaults of TRL's KTOConfig.
 *
 * @param train options shared with {@link DpoOptions}
 * @param loss the loss and its weights
 */
public record KtoOptions(TrainOptions train, UnpairedLoss.Options loss) {

    public KtoOptions {
        SamplingStrategy order = train.step().samplingStrategy();
        if (loss.type() == Type.KTO && order != SamplingStrategy.SEQUENTIAL) {
            throw new Dpo4jException("train_sampling_strategy is " + order
                    + ", but the loss kto pairs each row with its neighbour in the file; leave it out, or shuffle the"
                    + " file");
        }
        if (loss.type() == Type.KTO && train.step().perDeviceTrainBatchSize == 1) {
            throw new Dpo4jException(
                    "per_device_train_batch_size is 1, but the loss kto needs the completion of another"
                            + " row of the batch; set it to 2 or more");
        }
    }

    /** Whether the loss estimates the KL divergence from other rows' completions. */
    boolean hasBaseline() {
        return loss.type() == Type.KTO;
    }

    /** The options of kto itself, for the record of a run. */
    Map<String, Object> named() {
        Map<String, Object> named = new LinkedHashMap<>();
        named.put("loss_type", loss.type().option());
        named.put("beta", loss.beta());
        named.put("desirable_weight", loss.desirableWeight());
        named.put("undesirable_weight", loss.undesirableWeight());
        return named;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Builds {@link KtoOptions}; also the options of the {@code kto} command. */
    public static final class Builder extends ReferenceOptionsBuilder<Builder> {

        @Option(
                names = "--loss_type",
                completionCandidates = OptionCandidates.UnpairedLosses.class,
                description = "Loss of a completion: kto or apo_zero_unpaired; default ${DEFAULT-VALUE}.")
        private String lossType = Type.KTO.option();

        @Option(
                names = "--beta",
                description = "Strength of the pull towards the reference model; default ${DEFAULT-VALUE}.")
        private double beta = 0.1;

        @Option(
                names = "--desirable_weight",
                description = "Weight of the losses of desirable completions; default ${DEFAULT-VALUE}.")
        private double desirableWeight = 1;

        @Option(
                names = "--undesirable_weight",
                description = "Weight of the losses of undesirable completions; default ${DEFAULT-VALUE}.")
        private double undesirableWeight = 1;

        private Builder() {
            super(1e-6, SamplingStrategy.SEQUENTIAL);
        }

        public Builder lossType(Type value) {
            lossType = value.option();
            return this;
        }

        public Builder beta(double value) {
            beta = value;
            return this;
        }

        public Builder desirableWeight(double value) {
            desirableWeight = value;
            return this;
        }

        public Builder undesirableWeight(double value) {
            undesirableWeight = value;
            return this;
        }

        @Override
        Builder self() {
            return this;
        }

        /** Builds the options. Throws, naming the option, if one is missing or out of range. */
        public KtoOptions build() {
            OptionRange.BETA.check(beta);
            OptionRange.DESIRABLE_WEIGHT.check(desirableWeight);
            OptionRange.UNDESIRABLE_WEIGHT.check(undesirableWeight);
            UnpairedLoss.Options loss =
                    new UnpairedLoss.Options(type(), (float) beta, (float) desirableWeight, (float) undesirableWeight);
            return new KtoOptions(trainOptions(), loss);
        }

        private Type type() {
            return Arrays.stream(Type.values())
                    .filter(type -> type.option().equals(lossType))
                    .findFirst()
                    .orElseThrow(() -> new Dpo4jException("loss_type is " + lossType + "; it must be one of "
                            + Arrays.stream(Type.values()).map(Type::option).collect(Collectors.joining(", "))));
        }
    }
}
