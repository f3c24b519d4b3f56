package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.data.OnBadRow;
import org.dpo4j.data.TruncationMode;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/**
 * {@link TrainOptions} under construction: each option once, with its name on the command line, its description and its
 * default. Setters carry TRL's names in Java's spelling; {@link TrainOptions} says what each means.
 */
public abstract class TrainOptionsBuilder<B extends TrainOptionsBuilder<B>> {

    @Option(names = "--model_name_or_path", description = "Hugging Face model directory to start from.")
    private @Nullable Path modelNameOrPath;

    @Option(names = "--dataset_name", description = "Training rows: a .jsonl, .json or .jsonl.gz file.")
    private @Nullable Path datasetName;

    @Option(names = "--eval_dataset", description = "Evaluation rows, a file of the same kinds.")
    private @Nullable Path evalDataset;

    @Option(names = "--output_dir", description = "Directory for the trained model and metrics.jsonl.")
    private @Nullable Path outputDir;

    @Option(
            names = "--overwrite_output_dir",
            arity = "0..1",
            fallbackValue = "true",
            description = "Replace a model that is already in output_dir.")
    private boolean overwriteOutputDir = false;

    @Option(names = "--device", description = "auto, cuda or cpu; default ${DEFAULT-VALUE}.")
    private String device = "auto";

    @Option(
            names = "--dtype",
            description =
                    "Storage of weights and activations: ${COMPLETION-CANDIDATES}; default bfloat16 on cuda, float32"
                            + " on cpu.")
    private @Nullable Precision dtype;

    @Option(
            names = "--bf16",
            arity = "0..1",
            fallbackValue = "true",
            description =
                    "true is --dtype bfloat16: weights and activations bfloat16, master weights float32, whatever --dtype"
                            + " says; false is --dtype float32.")
    private @Nullable Boolean bf16;

    @Option(
            names = "--bf16_stochastic_round",
            arity = "0..1",
            fallbackValue = "true",
            description = "Keep no float32 master weights: AdamW rounds bfloat16 weights stochastically, without bias.")
    private boolean bf16StochasticRound = false;

    @Option(
            names = "--cuda_graphs",
            arity = "0..1",
            fallbackValue = "true",
            description = "Replay steps whose sizes were seen before as CUDA graphs; default true on cuda.")
    private @Nullable Boolean cudaGraphs;

    @Option(
            names = "--on_bad_row",
            description =
                    "What happens at a row that cannot be used: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}.")
    private OnBadRow onBadRow = OnBadRow.STOP;

    @Option(
            names = "--max_length",
            description =
                    "Maximum number of tokens of prompt and completion together; default 1024, or the model's number of"
                            + " positions where that is smaller. null in a config file is this default; in TRL it is no limit.")
    private @Nullable Integer maxLength;

    @Option(
            names = "--truncation_mode",
            description =
                    "keep_start cuts a row longer than max_length at its end; by default such a row cannot be used.")
    private @Nullable String truncationMode;

    @Option(names = "--learning_rate", description = "Peak learning rate; default ${DEFAULT-VALUE}.")
    private double learningRate;

    @Option(
            names = "--lr_scheduler_type",
            description = "Shape of the learning rate: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}.")
    private LrSchedulerType lrSchedulerType = LrSchedulerType.LINEAR;

    @Option(
            names = "--warmup_steps",
            description = "Steps of the warm-up; a number below 1 is a share of all steps; default 0.")
    private double warmupSteps = 0;

    @Option(names = "--warmup_ratio", description = "Warm-up as a share of all steps; default ${DEFAULT-VALUE}.")
    private double warmupRatio = 0;

    @Option(names = "--per_device_train_batch_size", description = "Rows of a micro-batch; default ${DEFAULT-VALUE}.")
    private int perDeviceTrainBatchSize = 8;

    @Option(
            names = "--per_device_eval_batch_size",
            description = "Rows of a batch without gradients; default ${DEFAULT-VALUE}.")
    private int perDeviceEvalBatchSize = 8;

    @Option(
            names = "--gradient_accumulation_steps",
            description = "Micro-batches of an optimizer step; default ${DEFAULT-VALUE}.")
    private int gradientAccumulationSteps = 1;

    @Option(names = "--num_train_epochs", description = "Passes over the data; default ${DEFAULT-VALUE}.")
    private double numTrainEpochs = 3;

    @Option(names = "--max_steps", description = "Optimizer steps, instead of num_train_epochs.")
    private int maxSteps = -1;

    @Option(names = "--weight_decay", description = "AdamW's weight decay, on matrices; default ${DEFAULT-VALUE}.")
    private double weightDecay = 0;

    @Option(names = "--adam_beta1", description = "AdamW's beta1; default ${DEFAULT-VALUE}.")
    private double adamBeta1 = 0.9;

    @Option(names = "--adam_beta2", description = "AdamW's beta2; default ${DEFAULT-VALUE}.")
    private double adamBeta2 = 0.999;

    @Option(names = "--adam_epsilon", description = "AdamW's epsilon; default ${DEFAULT-VALUE}.")
    private double adamEpsilon = 1e-8;

    @Option(
            names = "--adam_moments_dtype",
            description =
                    "Storage of AdamW's moments: ${COMPLETION-CANDIDATES}; default ${DEFAULT-VALUE}. bfloat16 needs"
                            + " bf16_stochastic_round.")
    private Precision adamMomentsDtype = Precision.FLOAT32;

    @Option(
            names = "--max_grad_norm",
            description = "Norm that gradients are clipped to, 0 for none; default ${DEFAULT-VALUE}.")
    private double maxGradNorm = 1;

    @Option(names = "--seed", description = "Seed of the order of the rows; default ${DEFAULT-VALUE}.")
    private long seed = 42;

    @Option(
            names = "--logging_steps",
            description = "Steps between lines of metrics; a number below 1 is a share of all steps; default 10.")
    private double loggingSteps = 10;

    @Option(
            names = "--eval_strategy",
            description =
                    "no evaluates after the last step only, steps also every eval_steps; default steps if eval_steps is given,"
                            + " else no.")
    private @Nullable EvalStrategy evalStrategy;

    @Option(
            names = "--eval_steps",
            description = "Steps between evaluations; a number below 1 is a share of all steps; default logging_steps.")
    private @Nullable Double evalSteps;

    TrainOptionsBuilder(double learningRate) {
        this.learningRate = learningRate;
    }

    abstract B self();

    public B modelNameOrPath(Path value) {
        modelNameOrPath = value;
        return self();
    }

    public B datasetName(Path value) {
        datasetName = value;
        return self();
    }

    public B evalDataset(Path value) {
        evalDataset = value;
        return self();
    }

    public B outputDir(Path value) {
        outputDir = value;
        return self();
    }

    public B overwriteOutputDir(boolean value) {
        overwriteOutputDir = value;
        return self();
    }

    public B device(String value) {
        device = value;
        return self();
    }

    public B dtype(Precision value) {
        dtype = value;
        return self();
    }

    public B bf16(boolean value) {
        bf16 = value;
        return self();
    }

    public B bf16StochasticRound(boolean value) {
        bf16StochasticRound = value;
        return self();
    }

    public B cudaGraphs(boolean value) {
        cudaGraphs = value;
        return self();
    }

    public B onBadRow(OnBadRow value) {
        onBadRow = value;
        return self();
    }

    public B maxLength(int value) {
        maxLength = value;
        return self();
    }

    public B truncationMode(TruncationMode value) {
        truncationMode = value.toString();
        return self();
    }

    public B learningRate(double value) {
        learningRate = value;
        return self();
    }

    public B lrSchedulerType(LrSchedulerType value) {
        lrSchedulerType = value;
        return self();
    }

    public B warmupSteps(double value) {
        warmupSteps = value;
        return self();
    }

    public B warmupRatio(double value) {
        warmupRatio = value;
        return self();
    }

    public B perDeviceTrainBatchSize(int value) {
        perDeviceTrainBatchSize = value;
        return self();
    }

    public B perDeviceEvalBatchSize(int value) {
        perDeviceEvalBatchSize = value;
        return self();
    }

    public B gradientAccumulationSteps(int value) {
        gradientAccumulationSteps = value;
        return self();
    }

    public B numTrainEpochs(double value) {
        numTrainEpochs = value;
        return self();
    }

    public B maxSteps(int value) {
        maxSteps = value;
        return self();
    }

    public B weightDecay(double value) {
        weightDecay = value;
        return self();
    }

    public B adamBeta1(double value) {
        adamBeta1 = value;
        return self();
    }

    public B adamBeta2(double value) {
        adamBeta2 = value;
        return self();
    }

    public B adamEpsilon(double value) {
        adamEpsilon = value;
        return self();
    }

    public B adamMomentsDtype(Precision value) {
        adamMomentsDtype = value;
        return self();
    }

    public B maxGradNorm(double value) {
        maxGradNorm = value;
        return self();
    }

    public B seed(long value) {
        seed = value;
        return self();
    }

    public B loggingSteps(double value) {
        loggingSteps = value;
        return self();
    }

    public B evalStrategy(EvalStrategy value) {
        evalStrategy = value;
        return self();
    }

    public B evalSteps(double value) {
        evalSteps = value;
        return self();
    }

    /** The options as data. */
    TrainOptions trainOptions() {
        return new TrainOptions(
                required("model_name_or_path", modelNameOrPath),
                required("dataset_name", datasetName),
                evalDataset,
                required("output_dir", outputDir),
                overwriteOutputDir,
                device,
                storage(),
                bf16StochasticRound,
                cudaGraphs,
                onBadRow,
                maxLength,
                truncationMode == null ? null : TruncationMode.of(truncationMode),
                learningRate,
                lrSchedulerType,
                warmupSteps,
                warmupRatio,
                perDeviceTrainBatchSize,
                perDeviceEvalBatchSize,
                gradientAccumulationSteps,
                numTrainEpochs,
                maxSteps,
                weightDecay,
                adamBeta1,
                adamBeta2,
                adamEpsilon,
                adamMomentsDtype.storage(),
                maxGradNorm,
                seed,
                loggingSteps,
                strategy(),
                evalSteps);
    }

    private @Nullable DType storage() {
        if (bf16 == null) {
            return dtype == null ? null : dtype.storage();
        }
        if (!bf16 && dtype == Precision.BFLOAT16) {
            throw new Dpo4jException("bf16 is false but dtype is bfloat16; leave one out");
        }
        // TRL's bf16 with dtype float32 is float32 weights under bfloat16 arithmetic: here the master weights
        return (bf16 ? Precision.BFLOAT16 : Precision.FLOAT32).storage();
    }

    private EvalStrategy strategy() {
        if (evalStrategy == EvalStrategy.NO && evalSteps != null) {
            throw new Dpo4jException("eval_steps is given but eval_strategy is no; leave one out");
        }
        if (evalStrategy != null) {
            return evalStrategy;
        }
        return evalSteps == null ? EvalStrategy.NO : EvalStrategy.STEPS;
    }

    private static Path required(String name, @Nullable Path value) {
        if (value == null || value.toString().isEmpty()) {
            throw new Dpo4jException(name + " is missing; give it");
        }
        return value;
    }
}
