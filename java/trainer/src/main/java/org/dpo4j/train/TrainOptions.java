package org.dpo4j.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.dpo4j.data.source.DatasetRequest.Use;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.io.InputFile;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.Architecture;
import org.jspecify.annotations.Nullable;

/**
 * The options that {@code dpo} and {@code sft} share: TRL's options, with TRL's names and defaults. The builders of
 * {@link DpoOptions} and {@link SftOptions} build and check them. Each option is a field of its group.
 */
public record TrainOptions(
        ModelOptions model,
        DeviceOptions device,
        DataOptions data,
        OutputOptions output,
        CheckpointOptions checkpoint,
        StepOptions step,
        OptimizerOptions optimizer,
        LoggingOptions logging,
        SeedOptions seeds) {

    private static final int DEFAULT_MAX_LENGTH = 1024;

    public TrainOptions {
        model = OptionGroup.checked(model);
        device = OptionGroup.checked(device);
        data = OptionGroup.checked(data);
        output = OptionGroup.checked(output);
        checkpoint = OptionGroup.checked(checkpoint);
        step = OptionGroup.checked(step);
        optimizer = OptionGroup.checked(optimizer);
        logging = OptionGroup.checked(logging);
        seeds = OptionGroup.checked(seeds);
        model.directory();
        data.checkGiven();
        output.directory();
        output.saveFormat();
        data.checkValues();
        step.samplingStrategy();
        ScheduleKwargs.checkKeys(step.lrSchedulerType, step.lrSchedulerKwargs);
        checkPrecision(optimizer, dtype(model, optimizer));
        if (step.warmupSteps > 0 && step.warmupRatio > 0) {
            throw new Dpo4jException("warmup_steps and warmup_ratio are both given; leave one out");
        }
        if (logging.strategy() == EvalStrategy.STEPS && logging.evalDataset == null && !data.mayHaveTestSplit()) {
            throw new Dpo4jException(
                    (logging.evalSteps == null ? "eval_strategy steps has" : "eval_steps and eval_strategy steps have")
                            + " no data; give eval_dataset");
        }
    }

    private static void checkPrecision(OptimizerOptions optimizer, @Nullable DType dtype) {
        if (optimizer.bf16StochasticRound && dtype == DType.F32) {
            throw new Dpo4jException("bf16_stochastic_round is true but dtype is float32, which is not rounded;"
                    + " leave it out, or set dtype to bfloat16");
        }
        if (optimizer.adamMomentsDtype == Precision.BFLOAT16 && !optimizer.bf16StochasticRound) {
            throw new Dpo4jException("adam_moments_dtype is bfloat16 but bf16_stochastic_round is false: rounded to"
                    + " nearest, bfloat16 moments would not decay; set bf16_stochastic_round to true, or leave"
                    + " adam_moments_dtype out");
        }
    }

    /** The rows to train on. */
    RowSource rows() {
        Path eval = logging.evalDataset;
        boolean isForBoth = eval != null && isOneFile(eval) && InputFile.isReadOnce(eval);
        return data.rows(seeds.seed(), isForBoth ? Use.BOTH : Use.TRAIN);
    }

    /**
     * The rows to evaluate on; null if the run does not evaluate. Equal to {@code rows}, those to train on, if both are
     * the same file without splits, which is then read only once, because it may be a pipe.
     */
    @Nullable
    RowSource evalRows(RowSource rows) {
        if (!hasEvalRows()) {
            return null;
        }
        Path file = logging.evalDataset;
        boolean isSame = file != null && isOneFile(file) && !rows.hasSplits();
        return isSame ? rows : data.evalRows(file);
    }

    /** Whether a file to evaluate on is the one to train on. */
    private boolean isOneFile(Path eval) {
        return !Files.isDirectory(eval) && data.isFile(eval);
    }

    private boolean hasEvalRows() {
        return logging.evalDataset != null || logging.strategy() == EvalStrategy.STEPS;
    }

    /** Whether a run of {@code steps} steps evaluates after step {@code done}. */
    boolean isEvaluatedAfter(int done, int steps) {
        return hasEvalRows() && logging.isEvaluatedAfter(done, steps);
    }

    /** Number of evaluations in a run of {@code steps} steps. */
    int evaluations(int steps) {
        return hasEvalRows() ? logging.evaluations(steps) : 0;
    }

    /** Storage of weights and activations; null for the default: bf16 on {@code cuda}, f32 on {@code cpu}. */
    @Nullable
    DType dtype() {
        return dtype(model, optimizer);
    }

    private static @Nullable DType dtype(ModelOptions model, OptimizerOptions optimizer) {
        Boolean bf16 = optimizer.bf16;
        if (bf16 == null) {
            return model.dtype == null ? null : model.dtype.storage();
        }
        if (!bf16 && model.dtype == Precision.BFLOAT16) {
            throw new Dpo4jException("bf16 is false but dtype is bfloat16; leave one out");
        }
        // In TRL, bf16 with dtype float32 means float32 weights and bfloat16 arithmetic. Here the master weights are
        // float32.
        return bf16 ? DType.BF16 : DType.F32;
    }

    /** Storage of weights and activations on this device. Throws if the device does not support the options. */
    DType storage(Device opened) {
        DType storage = ModelOptions.storage(dtype(), opened);
        if (optimizer.bf16StochasticRound && storage == DType.F32) {
            throw new Dpo4jException("bf16_stochastic_round is true but weights on " + opened.name()
                    + " are float32, which is not rounded; leave it out, or use device cuda");
        }
        return storage;
    }

    /**
     * Maximum tokens of a sequence for this model. Giving the default value explicitly is the same as leaving it out.
     */
    int maxLengthFor(Architecture model) {
        Integer asked = data.maxLength;
        return model.maxLength(asked != null && asked == DEFAULT_MAX_LENGTH ? null : asked, DEFAULT_MAX_LENGTH);
    }

    /** The options that have a value, by name. */
    Map<String, Object> values() {
        Map<String, Object> values = new LinkedHashMap<>();
        groups().forEach(group -> values.putAll(group.values()));
        return values;
    }

    private Stream<OptionGroup> groups() {
        return Stream.of(model, device, data, output, checkpoint, step, optimizer, logging, seeds);
    }

    /** The options that have a value, by TRL's names: {@code learning_rate 1.0E-6, seed 42}. */
    @Override
    public String toString() {
        return groups().map(OptionGroup::toString)
                .filter(options -> !options.isEmpty())
                .collect(Collectors.joining(", "));
    }
}
