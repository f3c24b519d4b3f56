package org.dpo4j.train;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.dpo4j.data.source.DatasetRequest.Use;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.io.InputFile;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.EmbeddingNoise;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/**
 * The options that {@code dpo} and {@code sft} share: TRL's options, with TRL's names and defaults. The builders of
 * {@link DpoOptions} and {@link SftOptions} build and check them. Each option is a field of its group.
 */
public record TrainOptions(
        ModelOptions model,
        HubOptions hub,
        DeviceOptions device,
        DataOptions data,
        OutputOptions output,
        CheckpointOptions checkpoint,
        StepOptions step,
        OptimizerOptions optimizer,
        LoggingOptions logging,
        EvaluationOptions evaluation,
        ReportOptions report,
        BestModelOptions bestModel,
        SampleOptions samples,
        SeedOptions seeds,
        ReferenceOptions reference,
        LoraOptions lora) {

    private static final int DEFAULT_MAX_LENGTH = 1024;

    public TrainOptions {
        model = OptionGroup.checked(model);
        hub = OptionGroup.checked(hub);
        device = OptionGroup.checked(device);
        data = OptionGroup.checked(data);
        output = OptionGroup.checked(output);
        checkpoint = OptionGroup.checked(checkpoint);
        step = OptionGroup.checked(step);
        optimizer = OptionGroup.checked(optimizer);
        logging = OptionGroup.checked(logging);
        evaluation = OptionGroup.checked(evaluation);
        report = OptionGroup.checked(report);
        bestModel = OptionGroup.checked(bestModel);
        samples = OptionGroup.checked(samples);
        seeds = OptionGroup.checked(seeds);
        reference = OptionGroup.checked(reference);
        lora = OptionGroup.checked(lora);
        report.checkTargets();
        model.checkGiven();
        data.checkGiven();
        output.directory();
        output.saveFormat();
        data.checkValues();
        reference.checkValues();
        lora.checkValues();
        if (lora.usePeft && reference.isSynced()) {
            throw new Dpo4jException(
                    "sync_ref_model is true, but use_peft trains adapters, and the reference is the model"
                            + " without them; leave one of the two out");
        }
        step.samplingStrategy();
        ScheduleKwargs.checkKeys(step.lrSchedulerType, step.lrSchedulerKwargs);
        optimizer.checkOptimizer();
        checkPrecision(optimizer, dtype(model, optimizer));
        if (step.warmupSteps > 0 && step.warmupRatio > 0) {
            throw new Dpo4jException("warmup_steps and warmup_ratio are both given; leave one out");
        }
        checkEvaluation(evaluation, data);
        checkMetricRate(step.lrSchedulerType, step.metricRate(), bestModel, evaluation);
        bestModel.check(evaluation, checkpoint, logging.loggingSteps);
        samples.check(evaluation, reference);
    }

    /** A copy with other values. Throws if they contradict each other. */
    TrainOptions with(Consumer<TrainOptions> change) {
        TrainOptions changed = copy();
        change.accept(changed);
        return changed.copy();
    }

    /** A copy that has been checked. */
    private TrainOptions copy() {
        return new TrainOptions(
                model,
                hub,
                device,
                data,
                output,
                checkpoint,
                step,
                optimizer,
                logging,
                evaluation,
                report,
                bestModel,
                samples,
                seeds,
                reference,
                lora);
    }

    private static void checkEvaluation(EvaluationOptions evaluation, DataOptions data) {
        EvalStrategy strategy = evaluation.strategy();
        if (evaluation.hasRows() && evaluation.evalDataset == null && !data.mayHaveTestSplit()) {
            String asked = strategy == EvalStrategy.NO
                    ? "eval_on_start has"
                    : evaluation.evalSteps == null
                            ? "eval_strategy " + strategy + " has"
                            : "eval_steps and eval_strategy " + strategy + " have";
            throw new Dpo4jException(asked + " no data; give eval_dataset");
        }
    }

    /** The metric is loss by default, as in transformers. */
    private static void checkMetricRate(
            LrSchedulerType type, @Nullable MetricRate rate, BestModelOptions bestModel, EvaluationOptions evaluation) {
        if (rate == null) {
            return;
        }
        if (evaluation.strategy() == EvalStrategy.NO) {
            throw new Dpo4jException("lr_scheduler_type " + type
                    + " needs evaluations, but eval_strategy is no; set it to steps or epoch");
        }
        if (bestModel.metricForBestModel == null) {
            bestModel.metricForBestModel = "loss";
        }
        boolean isGreaterBetter = bestModel.isGreaterBetter(evaluation.names());
        if (isGreaterBetter != rate.isMax()) {
            throw new Dpo4jException("lr_scheduler_kwargs: mode is " + (rate.isMax() ? "max" : "min") + " but "
                    + (isGreaterBetter ? "greater" : "smaller") + " values of metric_for_best_model "
                    + bestModel.metricForBestModel + " are better; set mode to " + (isGreaterBetter ? "max" : "min"));
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

    /** Downloads models and data sets that are named, if {@code download} is true. */
    void download(RunListener listener) {
        hub.fetch(listener, model, reference, data, remote -> data.downloadEvaluation(evaluation, remote));
    }

    /** The rows to train on. */
    RowSource rows() {
        EvalDatasets eval = evaluation.evalDataset;
        boolean isForBoth = eval != null
                && eval.sets().values().stream()
                        .anyMatch(paths -> isOneFile(paths) && InputFile.isReadOnce(paths.get(0)));
        return data.rows(seeds.seed(), isForBoth ? Use.BOTH : Use.TRAIN);
    }

    /**
     * The sets to evaluate on, by name; empty if the run does not evaluate. A set is equal to {@code rows}, those to
     * train on, if both are the same file without splits, which is then read only once, because it may be a pipe.
     */
    Map<String, RowSource> evalRows(RowSource rows) {
        Map<String, RowSource> sources = new LinkedHashMap<>();
        if (evaluation.evalDataset != null) {
            evaluation.evalDataset.sets().forEach((name, paths) -> {
                boolean isSame = isOneFile(paths) && !rows.hasSplits();
                sources.put(name, isSame ? rows : data.evalRows(paths));
            });
        } else if (evaluation.hasRows()) {
            sources.put("", data.evalSplit());
        }
        return sources;
    }

    /** Whether the file of a set to evaluate on is the one to train on. */
    private boolean isOneFile(List<Path> eval) {
        return eval.size() == 1 && !Files.isDirectory(eval.get(0)) && data.isFile(eval.get(0));
    }

    /** Whether rows come from a pipe or standard input, which can be read only once. */
    public boolean readsPipe() {
        EvalDatasets eval = evaluation.evalDataset;
        return data.isReadOnce()
                || eval != null
                        && eval.sets().values().stream().flatMap(List::stream).anyMatch(InputFile::isReadOnce);
    }

    /** Whether the run evaluates. */
    public boolean hasEvalRows() {
        return evaluation.hasRows();
    }

    /** The noise on the embeddings of training passes; null if there is none. */
    @Nullable
    EmbeddingNoise noise() {
        Double alpha = step.neftuneNoiseAlpha;
        return alpha == null || alpha == 0 ? null : new EmbeddingNoise(alpha, seeds.seed);
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
                    + " are float32, which is not rounded; leave it out, or set dtype to bfloat16");
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
        return Stream.of(
                model,
                hub,
                device,
                data,
                output,
                checkpoint,
                step,
                optimizer,
                logging,
                evaluation,
                report,
                bestModel,
                samples,
                seeds,
                reference,
                lora);
    }

    /** The options that have a value, by TRL's names: {@code learning_rate 1.0E-6, seed 42}. */
    @Override
    public String toString() {
        return groups().map(OptionGroup::toString)
                .filter(options -> !options.isEmpty())
                .collect(Collectors.joining(", "));
    }
}
