package org.dpo4j.train;

import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Mixin;

/**
 * Builds {@link TrainOptions}. Setters have TRL's names in camel case. The fields of the option groups document them.
 */
public abstract class TrainOptionsBuilder<B extends TrainOptionsBuilder<B>> extends FileOptionsBuilder<B> {

    @Mixin
    private final StepOptions step;

    @Mixin
    private final OptimizerOptions optimizer = new OptimizerOptions();

    @Mixin
    private final LoggingOptions logging = new LoggingOptions();

    @Mixin
    private final EvaluationOptions evaluation = new EvaluationOptions();

    @Mixin
    private final ReportOptions report = new ReportOptions();

    @Mixin
    private final BestModelOptions bestModel = new BestModelOptions();

    @Mixin
    private final SampleOptions samples = new SampleOptions();

    @Mixin
    private final SeedOptions seeds = new SeedOptions(42);

    @Mixin
    private final LoraOptions lora = new LoraOptions();

    TrainOptionsBuilder(double learningRate, SamplingStrategy defaultOrder) {
        step = new StepOptions(learningRate, defaultOrder);
    }

    /** The options of the reference. */
    ReferenceOptions referenceOptions() {
        return new ReferenceOptions();
    }

    public B evalDataset(Path value) {
        return evalDataset(EvalDatasets.unnamed(value));
    }

    public B evalDataset(EvalDatasets value) {
        evaluation.evalDataset = value;
        return self();
    }

    public B bf16(boolean value) {
        optimizer.bf16 = value;
        return self();
    }

    public B bf16StochasticRound(boolean value) {
        optimizer.bf16StochasticRound = value;
        return self();
    }

    public B cudaGraphs(boolean value) {
        step.cudaGraphs = value;
        return self();
    }

    public B gradientCheckpointing(boolean value) {
        step.gradientCheckpointing = value;
        return self();
    }

    public B learningRate(double value) {
        step.learningRate = value;
        return self();
    }

    public B lrSchedulerType(LrSchedulerType value) {
        step.lrSchedulerType = value;
        return self();
    }

    public B lrSchedulerKwargs(OptionMap value) {
        step.lrSchedulerKwargs = value;
        return self();
    }

    public B warmupSteps(double value) {
        step.warmupSteps = value;
        return self();
    }

    public B warmupRatio(double value) {
        step.warmupRatio = value;
        return self();
    }

    public B perDeviceTrainBatchSize(int value) {
        step.perDeviceTrainBatchSize = value;
        return self();
    }

    public B maxTokensPerBatch(int value) {
        step.maxTokensPerBatch = value;
        return self();
    }

    public B trainSamplingStrategy(SamplingStrategy value) {
        step.trainSamplingStrategy = value;
        return self();
    }

    public B groupByLength(boolean value) {
        step.groupByLength = value;
        return self();
    }

    public B perDeviceEvalBatchSize(int value) {
        step.perDeviceEvalBatchSize = value;
        return self();
    }

    public B gradientAccumulationSteps(int value) {
        step.gradientAccumulationSteps = value;
        return self();
    }

    public B numTrainEpochs(double value) {
        step.numTrainEpochs = value;
        return self();
    }

    public B maxSteps(int value) {
        step.maxSteps = value;
        return self();
    }

    public B neftuneNoiseAlpha(double value) {
        step.neftuneNoiseAlpha = value;
        return self();
    }

    public B optim(OptimizerName value) {
        optimizer.optim = value;
        return self();
    }

    public B optimArgs(OptionMap value) {
        optimizer.optimArgs = value;
        return self();
    }

    public B weightDecay(double value) {
        optimizer.weightDecay = value;
        return self();
    }

    public B adamBeta1(double value) {
        optimizer.adamBeta1 = value;
        return self();
    }

    public B adamBeta2(double value) {
        optimizer.adamBeta2 = value;
        return self();
    }

    public B adamEpsilon(double value) {
        optimizer.adamEpsilon = value;
        return self();
    }

    public B adamMomentsDtype(Precision value) {
        optimizer.adamMomentsDtype = value;
        return self();
    }

    public B useEma(boolean value) {
        optimizer.useEma = value;
        return self();
    }

    public B emaDecay(double value) {
        optimizer.emaDecay = value;
        return self();
    }

    public B maxNonfiniteSteps(int value) {
        optimizer.maxNonfiniteSteps = value;
        return self();
    }

    public B maxGradNorm(double value) {
        optimizer.maxGradNorm = value;
        return self();
    }

    public B seed(long value) {
        seeds.seed = value;
        return self();
    }

    public B loggingSteps(double value) {
        logging.loggingSteps = value;
        return self();
    }

    public B loggingFirstStep(boolean value) {
        logging.loggingFirstStep = value;
        return self();
    }

    public B evalStrategy(EvalStrategy value) {
        evaluation.evalStrategy = value;
        return self();
    }

    public B evalSteps(double value) {
        evaluation.evalSteps = value;
        return self();
    }

    public B evalOnStart(boolean value) {
        evaluation.evalOnStart = value;
        return self();
    }

    public B evalDelay(double value) {
        evaluation.evalDelay = value;
        return self();
    }

    /** {@code none}, {@code all}, or some of {@code tensorboard}, {@code csv} and {@code mlflow}. */
    public B reportTo(String... values) {
        report.reportTo = List.of(values);
        return self();
    }

    public B loggingDir(Path value) {
        report.loggingDir = value;
        return self();
    }

    public B runName(String value) {
        report.runName = value;
        return self();
    }

    public B loadBestModelAtEnd(boolean value) {
        bestModel.loadBestModelAtEnd = value;
        return self();
    }

    public B metricForBestModel(String value) {
        bestModel.metricForBestModel = value;
        return self();
    }

    public B greaterIsBetter(boolean value) {
        bestModel.greaterIsBetter = value;
        return self();
    }

    public B earlyStoppingPatience(int value) {
        bestModel.earlyStoppingPatience = value;
        return self();
    }

    public B earlyStoppingThreshold(double value) {
        bestModel.earlyStoppingThreshold = value;
        return self();
    }

    public B generateDuringEval(boolean value) {
        samples.generateDuringEval = value;
        return self();
    }

    public B generationNumPrompts(int value) {
        samples.generationNumPrompts = value;
        return self();
    }

    public B generationMaxNewTokens(int value) {
        samples.generationMaxNewTokens = value;
        return self();
    }

    public B generationTemperature(double value) {
        samples.generationTemperature = value;
        return self();
    }

    public B usePeft(boolean value) {
        lora.usePeft = value;
        return self();
    }

    public B loadIn4bit(boolean value) {
        lora.loadIn4bit = value;
        return self();
    }

    /** {@code bnb_4bit_quant_type}. */
    public B bnb4bitQuantType(FourBitType value) {
        lora.bnb4bitQuantType = value;
        return self();
    }

    /** {@code bnb_4bit_compute_dtype}. */
    public B bnb4bitComputeDtype(Precision value) {
        lora.bnb4bitComputeDtype = value;
        return self();
    }

    /** {@code use_bnb_nested_quant}. */
    public B useBnbNestedQuant(boolean value) {
        lora.useBnbNestedQuant = value;
        return self();
    }

    public B loraR(int value) {
        lora.loraR = value;
        return self();
    }

    public B loraAlpha(double value) {
        lora.loraAlpha = value;
        return self();
    }

    /** Names such as {@code q_proj}, or {@code all-linear}. */
    public B loraTargetModules(String... values) {
        lora.loraTargetModules = List.of(values);
        return self();
    }

    public B useRslora(boolean value) {
        lora.useRslora = value;
        return self();
    }

    public B loraRankPattern(OptionMap value) {
        lora.loraRankPattern = value;
        return self();
    }

    public B loraAlphaPattern(OptionMap value) {
        lora.loraAlphaPattern = value;
        return self();
    }

    /** Builds and checks the options. Later calls of this builder do not change them. */
    TrainOptions trainOptions() {
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
                referenceOptions(),
                lora);
    }
}
