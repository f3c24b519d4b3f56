package org.dpo4j.train;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of the steps of a run: number, batch sizes, learning rate, noise, CUDA graphs, activations. */
public final class StepOptions extends OptionGroup {

    /** Peak rate. */
    @Option(names = "--learning_rate", description = "Peak learning rate; default ${DEFAULT-VALUE}.")
    double learningRate;

    /** Shape of the rate over the run. */
    @Option(
            names = "--lr_scheduler_type",
            description = "Schedule of the learning rate: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}.")
    LrSchedulerType lrSchedulerType = LrSchedulerType.LINEAR;

    /** Parameters of the schedule, under transformers' names. */
    @Option(
            names = "--lr_scheduler_kwargs",
            description =
                    "Parameters of the schedule: a JSON object or key=value,...; by default transformers' defaults.")
    OptionMap lrSchedulerKwargs = OptionMap.EMPTY;

    /** Steps of the warm-up; a value below 1 is a share of all steps, rounded up, as in transformers 5. */
    @Option(
            names = "--warmup_steps",
            description = "Steps of the warm-up; a number below 1 is a share of all steps; default 0.")
    double warmupSteps = 0;

    /** The warm-up as a share of all steps, rounded up; an alternative to {@code warmupSteps}. */
    @Option(names = "--warmup_ratio", description = "Warm-up as a share of all steps; default ${DEFAULT-VALUE}.")
    double warmupRatio = 0;

    /** Rows of a micro-batch. */
    @Option(names = "--per_device_train_batch_size", description = "Rows per micro-batch; default ${DEFAULT-VALUE}.")
    int perDeviceTrainBatchSize = 8;

    /** Maximum tokens of a micro-batch; null for no limit. */
    @Option(
            names = "--max_tokens_per_batch",
            description =
                    "Maximum tokens of a micro-batch, beside the maximum number of rows: it ends before the row that"
                            + " would exceed one of them. A shared prompt counts once. Default: no limit.")
    @Nullable
    Integer maxTokensPerBatch;

    /** The order of the rows; null: the command's default, or as {@code groupByLength} says. */
    @Option(
            names = "--train_sampling_strategy",
            description = "Order of the rows in an epoch: ${COMPLETION-CANDIDATES}; default random,"
                    + " but sequential in kto. group_by_length puts rows"
                    + " of similar length together.")
    @Nullable
    SamplingStrategy trainSamplingStrategy;

    /** Another name of {@code trainSamplingStrategy group_by_length}. */
    @Option(
            names = "--group_by_length",
            arity = "0..1",
            fallbackValue = "true",
            description = "The same as --train_sampling_strategy group_by_length, as transformers 4 calls it.")
    boolean groupByLength = false;

    /** Rows of a batch without gradients: evaluation and reference log-probs. */
    @Option(
            names = "--per_device_eval_batch_size",
            description = "Rows per batch of evaluations and reference log-probs; default ${DEFAULT-VALUE}.")
    int perDeviceEvalBatchSize = 8;

    /** Noise on embeddings (NEFTune); null or 0: none. */
    @Option(
            names = "--neftune_noise_alpha",
            description =
                    "Add uniform noise to the embeddings of training passes, up to this / sqrt(length x hidden size)"
                            + " (NEFTune); default: none.")
    @Nullable
    Double neftuneNoiseAlpha;

    /** Micro-batches of an optimizer step. */
    @Option(
            names = "--gradient_accumulation_steps",
            description = "Micro-batches per optimizer step; default ${DEFAULT-VALUE}.")
    int gradientAccumulationSteps = 1;

    /** Passes over the data; may be a fraction. */
    @Option(names = "--num_train_epochs", description = "Passes over the data; default ${DEFAULT-VALUE}.")
    double numTrainEpochs = 3;

    /** If positive, the number of optimizer steps, instead of {@code numTrainEpochs}. */
    @Option(names = "--max_steps", description = "Optimizer steps, instead of num_train_epochs.")
    int maxSteps = -1;

    /**
     * Whether steps whose sizes repeat are replayed as CUDA graphs, with the same bits. Null: if the device supports
     * graphs.
     */
    @Option(
            names = "--cuda_graphs",
            arity = "0..1",
            fallbackValue = "true",
            description = "Replay steps whose sizes were seen before as CUDA graphs; default true on cuda.")
    @Nullable
    Boolean cudaGraphs;

    /** Whether backward computes the activations of a layer again from its input. Changes no bit. */
    @Option(
            names = "--gradient_checkpointing",
            arity = "0..1",
            fallbackValue = "true",
            description =
                    "Keep only the input of each layer, and compute its other activations again in backward: less"
                            + " memory, more time (at most a third, or half with use_peft), the same bits; default ${DEFAULT-VALUE} (TRL's is true).")
    boolean gradientCheckpointing = false;

    private final SamplingStrategy defaultOrder;

    StepOptions(double learningRate, SamplingStrategy defaultOrder) {
        this.learningRate = learningRate;
        this.defaultOrder = defaultOrder;
    }

    /** The order of the rows. Throws if the two options that choose it differ. */
    SamplingStrategy samplingStrategy() {
        if (groupByLength
                && trainSamplingStrategy != null
                && trainSamplingStrategy != SamplingStrategy.GROUP_BY_LENGTH) {
            throw new Dpo4jException("group_by_length is true but train_sampling_strategy is " + trainSamplingStrategy
                    + "; leave one out");
        }
        if (trainSamplingStrategy != null) {
            return trainSamplingStrategy;
        }
        return groupByLength ? SamplingStrategy.GROUP_BY_LENGTH : defaultOrder;
    }

    /** Whether to use CUDA graphs on this device. Throws if {@code cuda_graphs} is true but the device has none. */
    boolean hasGraphs(Device device) {
        if (cudaGraphs != null && cudaGraphs && !device.supportsGraphs()) {
            throw new Dpo4jException("cuda_graphs is true but device " + device.name()
                    + " has no graphs; leave it out, or use device cuda");
        }
        return cudaGraphs == null ? device.supportsGraphs() : cudaGraphs;
    }

    /** The rate that follows a metric, before the first step; null with another schedule. */
    @Nullable
    MetricRate metricRate() {
        return switch (lrSchedulerType) {
            case REDUCE_LR_ON_PLATEAU -> new PlateauRate(lrSchedulerKwargs, learningRate);
            case GREEDY -> new GreedyRate(lrSchedulerKwargs, learningRate);
            default -> null;
        };
    }

    /** The learning rates of a run of {@code steps} steps. */
    Schedule schedule(int steps) {
        int warmup = warmupSteps >= 1
                ? (int) warmupSteps
                : LoggingOptions.share(warmupSteps > 0 ? warmupSteps : warmupRatio, steps);
        return new Schedule(lrSchedulerType, lrSchedulerKwargs, learningRate, warmup, steps);
    }
}
