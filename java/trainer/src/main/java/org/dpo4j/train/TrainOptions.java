package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.data.OnBadRow;
import org.dpo4j.data.TruncationMode;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.Architecture;
import org.jspecify.annotations.Nullable;

/**
 * What {@code dpo} and {@code sft} have in common: TRL's options under TRL's names, with TRL's defaults. Made by the
 * builders of {@link DpoOptions} and {@link SftOptions}; checked when built.
 *
 * @param modelNameOrPath Hugging Face directory the training starts from
 * @param datasetName JSONL, JSON or gzipped file of training rows
 * @param evalDataset file of evaluation rows, or null
 * @param outputDir directory for the trained model and {@code metrics.jsonl}
 * @param overwriteOutputDir whether a model that is already there may be replaced
 * @param device {@code auto}, {@code cuda} or {@code cpu}
 * @param dtype storage of weights and activations; null: bf16 on {@code cuda}, f32 on {@code cpu}
 * @param bf16StochasticRound whether bf16 weights stand without f32 master weights, and AdamW rounds them to one of
 *     their neighbours at random, unbiased; torchao's name
 * @param cudaGraphs whether what a training step launches is CUDA graphs where its sizes come again: the decoder's
 *     passes, each part of head and loss, the update; the bits are the same; null: where the device has them
 * @param onBadRow what a row that cannot be used does
 * @param maxLength most tokens of a sequence, prompt and completion together; null or 1024: 1024, or the model's
 *     positions where it has fewer
 * @param truncationMode how a longer row is cut; null: it is a row that cannot be used
 * @param learningRate peak rate
 * @param lrSchedulerType shape of the rate over the run
 * @param warmupSteps steps of the warm-up; below 1 a share of all steps, rounded up, as transformers 5 has it
 * @param warmupRatio or the warm-up as a share of all steps, rounded up
 * @param perDeviceTrainBatchSize rows of a micro-batch
 * @param perDeviceEvalBatchSize rows of a batch without gradients: evaluation and reference log-probs
 * @param gradientAccumulationSteps micro-batches of an optimizer step
 * @param numTrainEpochs passes over the data; may be a fraction
 * @param maxSteps optimizer steps instead, where positive
 * @param weightDecay AdamW's, on matrices; norms do not decay
 * @param adamBeta1 decay of the first moment
 * @param adamBeta2 decay of the second moment
 * @param adamEpsilon added to the root of the second moment
 * @param adamMomentsDtype storage of both moments; bf16 where {@code bf16StochasticRound} is, and rounded as weights are
 * @param maxGradNorm global L2 norm that gradients are clipped to; 0: no clipping
 * @param seed of the order of the rows
 * @param loggingSteps steps between lines of metrics; below 1 a share of all steps, rounded up
 * @param evalStrategy when the evaluation data is read
 * @param evalSteps steps between evaluations; below 1 a share of all steps, rounded up; null: {@code loggingSteps}
 */
public record TrainOptions(
        Path modelNameOrPath,
        Path datasetName,
        @Nullable Path evalDataset,
        Path outputDir,
        boolean overwriteOutputDir,
        String device,
        @Nullable DType dtype,
        boolean bf16StochasticRound,
        @Nullable Boolean cudaGraphs,
        OnBadRow onBadRow,
        @Nullable Integer maxLength,
        @Nullable TruncationMode truncationMode,
        double learningRate,
        LrSchedulerType lrSchedulerType,
        double warmupSteps,
        double warmupRatio,
        int perDeviceTrainBatchSize,
        int perDeviceEvalBatchSize,
        int gradientAccumulationSteps,
        double numTrainEpochs,
        int maxSteps,
        double weightDecay,
        double adamBeta1,
        double adamBeta2,
        double adamEpsilon,
        DType adamMomentsDtype,
        double maxGradNorm,
        long seed,
        double loggingSteps,
        EvalStrategy evalStrategy,
        @Nullable Double evalSteps) {

    private static final int DEFAULT_MAX_LENGTH = 1024;

    public TrainOptions {
        OptionRange.PER_DEVICE_TRAIN_BATCH_SIZE.check(perDeviceTrainBatchSize);
        OptionRange.PER_DEVICE_EVAL_BATCH_SIZE.check(perDeviceEvalBatchSize);
        OptionRange.GRADIENT_ACCUMULATION_STEPS.check(gradientAccumulationSteps);
        OptionRange.LOGGING_STEPS.check(loggingSteps, isStepsOrShare(loggingSteps));
        if (evalSteps != null) {
            OptionRange.EVAL_STEPS.check(evalSteps, isStepsOrShare(evalSteps));
        }
        OptionRange.LEARNING_RATE.check(learningRate);
        OptionRange.WARMUP_STEPS.check(warmupSteps);
        OptionRange.WARMUP_RATIO.check(warmupRatio);
        OptionRange.NUM_TRAIN_EPOCHS.check(numTrainEpochs);
        OptionRange.MAX_STEPS.check(maxSteps, maxSteps != 0);
        OptionRange.WEIGHT_DECAY.check(weightDecay);
        OptionRange.ADAM_BETA1.check(adamBeta1);
        OptionRange.ADAM_BETA2.check(adamBeta2);
        OptionRange.ADAM_EPSILON.check(adamEpsilon);
        OptionRange.MAX_GRAD_NORM.check(maxGradNorm);
        if (bf16StochasticRound && dtype == DType.F32) {
            throw new Dpo4jException("bf16_stochastic_round is true but dtype is float32, where nothing is rounded;"
                    + " leave it out, or set dtype to bfloat16");
        }
        if (adamMomentsDtype == DType.BF16 && !bf16StochasticRound) {
            throw new Dpo4jException("adam_moments_dtype is bfloat16 but bf16_stochastic_round is false: to nearest,"
                    + " bfloat16 moments would not decay; set bf16_stochastic_round to true, or leave it out");
        }
        if (warmupSteps > 0 && warmupRatio > 0) {
            throw new Dpo4jException("warmup_steps and warmup_ratio are both given; leave one out");
        }
        if (evalStrategy == EvalStrategy.STEPS && evalDataset == null) {
            throw new Dpo4jException(
                    (evalSteps == null ? "eval_strategy steps has" : "eval_steps and eval_strategy steps have")
                            + " nothing to read; give eval_dataset");
        }
        if (maxLength != null) {
            OptionRange.MAX_LENGTH.check(maxLength);
        }
    }

    /** Most tokens of a sequence for this model. The default means the same where it is written out. */
    int maxLengthFor(Architecture model) {
        Integer asked = maxLength != null && maxLength == DEFAULT_MAX_LENGTH ? null : maxLength;
        return model.maxLength(asked, DEFAULT_MAX_LENGTH);
    }

    /** Whether training steps are captured on this device. Throws when that was asked for and it cannot. */
    boolean graphsOn(Device device) {
        if (cudaGraphs != null && cudaGraphs && !device.captures()) {
            throw new Dpo4jException("cuda_graphs is true but device " + device.name()
                    + " has no graphs; leave it out, or use device cuda");
        }
        return cudaGraphs == null ? device.captures() : cudaGraphs;
    }

    /** The rates of a run of so many steps. */
    public Schedule schedule(int steps) {
        int warmup = warmupSteps >= 1 ? (int) warmupSteps : share(warmupSteps > 0 ? warmupSteps : warmupRatio, steps);
        return new Schedule(lrSchedulerType, learningRate, warmup, steps);
    }

    /** Steps from one line of metrics to the next, in a run of so many steps. */
    int loggingInterval(int steps) {
        return interval(loggingSteps, steps);
    }

    /** Whether the evaluation data is read after {@code done} of {@code steps} steps. */
    boolean evaluatesAfter(int done, int steps) {
        return evalDataset != null && (done == steps || done % evalInterval(steps) == 0);
    }

    /** How often the evaluation data is read in so many steps. */
    int evaluations(int steps) {
        int every = evalInterval(steps);
        return evalDataset == null ? 0 : steps / every + (steps % every == 0 ? 0 : 1);
    }

    private int evalInterval(int steps) {
        return evalStrategy == EvalStrategy.STEPS
                ? interval(evalSteps == null ? loggingSteps : evalSteps, steps)
                : Math.max(1, steps);
    }

    /** As transformers' {@code TrainerState.compute_steps}. */
    private static int interval(double every, int steps) {
        return every < 1 ? share(every, steps) : (int) every;
    }

    private static int share(double share, int steps) {
        return (int) Math.ceil(steps * share);
    }

    /** Whether it is a share, or a whole number of steps. */
    private static boolean isStepsOrShare(double value) {
        return value < 1 || value == Math.rint(value);
    }
}
