package org.dpo4j.train;

import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Steps of a run: their rows, their number, their learning rates, how they are launched. */
public final class StepOptions extends OptionGroup {

    /** Peak rate. */
    @Option(names = "--learning_rate", description = "Peak learning rate; default ${DEFAULT-VALUE}.")
    double learningRate;

    /** Shape of the rate over the run. */
    @Option(
            names = "--lr_scheduler_type",
            description = "Shape of the learning rate: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}.")
    LrSchedulerType lrSchedulerType = LrSchedulerType.LINEAR;

    /** Steps of the warm-up; below 1 a share of all steps, rounded up, as transformers 5 has it. */
    @Option(
            names = "--warmup_steps",
            description = "Steps of the warm-up; a number below 1 is a share of all steps; default 0.")
    double warmupSteps = 0;

    /** Or the warm-up as a share of all steps, rounded up. */
    @Option(names = "--warmup_ratio", description = "Warm-up as a share of all steps; default ${DEFAULT-VALUE}.")
    double warmupRatio = 0;

    /** Rows of a micro-batch. */
    @Option(names = "--per_device_train_batch_size", description = "Rows of a micro-batch; default ${DEFAULT-VALUE}.")
    int perDeviceTrainBatchSize = 8;

    /** Rows of a batch without gradients: evaluation and reference log-probs. */
    @Option(
            names = "--per_device_eval_batch_size",
            description = "Rows of a batch without gradients; default ${DEFAULT-VALUE}.")
    int perDeviceEvalBatchSize = 8;

    /** Micro-batches of an optimizer step. */
    @Option(
            names = "--gradient_accumulation_steps",
            description = "Micro-batches of an optimizer step; default ${DEFAULT-VALUE}.")
    int gradientAccumulationSteps = 1;

    /** Passes over the data; may be a fraction. */
    @Option(names = "--num_train_epochs", description = "Passes over the data; default ${DEFAULT-VALUE}.")
    double numTrainEpochs = 3;

    /** Optimizer steps instead, where positive. */
    @Option(names = "--max_steps", description = "Optimizer steps, instead of num_train_epochs.")
    int maxSteps = -1;

    /**
     * Whether steps are launched as CUDA graphs where their sizes come again; the bits are the same. Null: where the device
     * supports graphs.
     */
    @Option(
            names = "--cuda_graphs",
            arity = "0..1",
            fallbackValue = "true",
            description = "Replay steps whose sizes were seen before as CUDA graphs; default true on cuda.")
    @Nullable
    Boolean cudaGraphs;

    StepOptions(double learningRate) {
        this.learningRate = learningRate;
    }

    /** Whether training steps are captured on this device. Throws when that was asked for and it cannot. */
    boolean graphsOn(Device device) {
        if (cudaGraphs != null && cudaGraphs && !device.supportsGraphs()) {
            throw new Dpo4jException("cuda_graphs is true but device " + device.name()
                    + " has no graphs; leave it out, or use device cuda");
        }
        return cudaGraphs == null ? device.supportsGraphs() : cudaGraphs;
    }

    /** The rates of a run of so many steps. */
    Schedule schedule(int steps) {
        int warmup = warmupSteps >= 1
                ? (int) warmupSteps
                : LoggingOptions.share(warmupSteps > 0 ? warmupSteps : warmupRatio, steps);
        return new Schedule(lrSchedulerType, learningRate, warmup, steps);
    }
}
