package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.RecordComponent;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.dpo4j.data.OnBadRow;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceOptions.Divergence;
import org.dpo4j.kernels.PreferenceOptions.Scalar;
import org.dpo4j.kernels.PreferenceOptions.Term;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.Llama;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/** Defaults are TRL's. Values that cannot be meant are refused by name. */
class TrainOptionsTest {
    private static final Path PATH = Path.of("path");

    /** TRL's DPOConfig and transformers' TrainingArguments. */
    @Test
    void defaultsAreTrls() {
        DpoOptions options = required(DpoOptions.builder()).build();
        assertThat(options.preference().terms()).containsExactly(new Term(LossType.SIGMOID, 1));
        assertThat(options.preference().options()).isEqualTo("beta 0.1");
        assertThat(options.ldAlpha()).isEqualTo(1);
        assertThat(options.referenceFree()).isFalse();
        Map<String, Object> values = values(options.train());
        assertThat(values)
                .containsEntry("device", "auto")
                .containsEntry("overwrite_output_dir", false)
                .containsEntry("bf16_stochastic_round", false)
                .containsEntry("on_bad_row", OnBadRow.STOP)
                .containsEntry("keep_eos", false)
                .containsEntry("drop_duplicates", false)
                .containsEntry("drop_contradictions", false)
                .containsEntry("learning_rate", 1e-6)
                .containsEntry("lr_scheduler_type", LrSchedulerType.LINEAR)
                .containsEntry("warmup_steps", 0.0)
                .containsEntry("warmup_ratio", 0.0)
                .containsEntry("per_device_train_batch_size", 8)
                .containsEntry("per_device_eval_batch_size", 8)
                .containsEntry("gradient_accumulation_steps", 1)
                .containsEntry("num_train_epochs", 3.0)
                .containsEntry("max_steps", -1)
                .containsEntry("weight_decay", 0.0)
                .containsEntry("adam_beta1", 0.9)
                .containsEntry("adam_beta2", 0.999)
                .containsEntry("adam_epsilon", 1e-8)
                .containsEntry("adam_moments_dtype", Precision.FLOAT32)
                .containsEntry("max_grad_norm", 1.0)
                .containsEntry("seed", 42L)
                .containsEntry("logging_steps", 10.0);
        assertThat(Stream.of(
                        "dtype",
                        "bf16",
                        "cuda_graphs",
                        "max_length",
                        "truncation_mode",
                        "max_prompt_length",
                        "max_completion_length",
                        "eval_dataset",
                        "eval_strategy",
                        "eval_steps"))
                .allMatch(name -> values.containsKey(name) && values.get(name) == null);
        assertThat(Stream.of("model_name_or_path", "dataset_name", "output_dir").map(values::get))
                .containsOnly(PATH);
        SftOptions.Builder sft =
                SftOptions.builder().modelNameOrPath(PATH).datasetName(PATH).outputDir(PATH);
        assertThat(values(sft.build().train())).containsEntry("learning_rate", 2e-5);
    }

    /** Every option of every group, by its name on the command line. */
    private static Map<String, Object> values(TrainOptions options) {
        Map<String, Object> values = new HashMap<>();
        for (RecordComponent component : TrainOptions.class.getRecordComponents()) {
            try {
                Object group = component.getAccessor().invoke(options);
                for (Field field : group.getClass().getDeclaredFields()) {
                    CommandLine.Option option = field.getAnnotation(CommandLine.Option.class);
                    if (option != null) {
                        field.setAccessible(true);
                        values.put(option.names()[0].substring(2), field.get(group));
                    }
                }
            } catch (ReflectiveOperationException e) {
                throw new AssertionError(e);
            }
        }
        return values;
    }

    /** As a line for a log: every option that has a value, and no identity hash. */
    @Test
    void printsNamesAndValues() {
        TrainOptions options = required(DpoOptions.builder()).build().train();
        String text = options.toString();
        values(options).forEach((name, value) -> {
            if (value == null) {
                assertThat(text).doesNotContain(", " + name + " ");
            } else {
                assertThat(text).contains(name + " " + value);
            }
        });
        assertThat(text)
                .startsWith("model_name_or_path path, download false, device auto, dataset_name path, ")
                .contains("learning_rate 1.0E-6, ", "on_bad_row error, ", "adam_moments_dtype float32, ")
                .contains(", seed 42, ")
                .doesNotContain("null", "@", "Options");
        assertThat(required(DpoOptions.builder()).build())
                .hasToString("DpoOptions[train=" + text + ", preference=1.0 sigmoid, beta 0.1, referenceFree=false,"
                        + " ldAlpha=1.0, bcoRunningMean=false]");
    }

    @Test
    void builtOptionsDoNotChangeWithTheirBuilder() {
        DpoOptions.Builder builder = required(DpoOptions.builder());
        TrainOptions before = builder.build().train();
        TrainOptions after = builder.learningRate(0.5).seed(7).build().train();
        assertThat(values(before)).containsEntry("learning_rate", 1e-6).containsEntry("seed", 42L);
        assertThat(values(after)).containsEntry("learning_rate", 0.5).containsEntry("seed", 7L);
    }

    @Test
    void maxLengthDefaultsToTheModels() {
        TrainOptions unset = required(DpoOptions.builder()).build().train();
        assertThat(unset.maxLengthFor(positions(512))).isEqualTo(512);
        assertThat(unset.maxLengthFor(positions(4096))).isEqualTo(1024);
        TrainOptions trls =
                required(DpoOptions.builder()).maxLength(1024).build().train();
        assertThat(trls.maxLengthFor(positions(512))).isEqualTo(512);
        TrainOptions set = required(DpoOptions.builder()).maxLength(700).build().train();
        assertThat(set.maxLengthFor(positions(4096))).isEqualTo(700);
        assertThatThrownBy(() -> set.maxLengthFor(positions(512)))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContainingAll("max_length is 700", "512");
    }

    private static Architecture positions(int positions) {
        return Llama.config(37, 16, 24, 2, 2, 1, positions, true).architecture();
    }

    @Test
    void bf16IsAnotherNameOfDtype() {
        assertThat(required(DpoOptions.builder()).bf16(true).build().train().dtype())
                .isEqualTo(DType.BF16);
        assertThat(required(DpoOptions.builder())
                        .bf16(true)
                        .dtype(Precision.FLOAT32)
                        .build()
                        .train()
                        .dtype())
                .as("TRL's float32 weights under bfloat16 arithmetic")
                .isEqualTo(DType.BF16);
        assertThat(required(DpoOptions.builder()).bf16(false).build().train().dtype())
                .isEqualTo(DType.F32);
        assertThat(required(DpoOptions.builder())
                        .dtype(Precision.BFLOAT16)
                        .build()
                        .train()
                        .dtype())
                .isEqualTo(DType.BF16);
    }

    /** Options at their defaults, which the loss does not read. */
    @Test
    void anOptionAtItsDefaultIsAcceptedIfNoLossReadsIt() {
        assertThat(required(DpoOptions.builder())
                        .fAlphaDivergenceCoef(0.5f)
                        .discopopTau(0.05f)
                        .dpopLambda(50)
                        .simpoGamma(0.5f)
                        .build())
                .usingRecursiveComparison()
                .isEqualTo(required(DpoOptions.builder()).build());
    }

    @Test
    void everyScalarOfALossIsAnOptionOfTheCommand() {
        CommandLine command = new CommandLine(DpoOptions.builder());
        for (Scalar scalar : Scalar.values()) {
            assertThat(command.getCommandSpec().findOption("--" + scalar.option()))
                    .as(scalar.option())
                    .isNotNull();
        }
    }

    /** Expected: the steps of transformers' TrainerState and TrainingArguments (tests/golden/trl_options.py). */
    @Test
    void stepsBelow1AreShares() throws IOException {
        String root = System.getenv("DPO4J_ROOT");
        Path golden = Path.of(root == null ? "." : root).resolve("tests/golden/trl_options.json");
        JsonNode cases = new ObjectMapper().readTree(golden.toFile()).get("steps");
        assertThat(cases).isNotEmpty();
        for (JsonNode shares : cases) {
            double value = shares.get("value").doubleValue();
            int total = shares.get("total").intValue();
            TrainOptions options = required(DpoOptions.builder())
                    .evalDataset(PATH)
                    .loggingSteps(value)
                    .evalSteps(value)
                    .maxSteps(total)
                    .warmupSteps(value)
                    .build()
                    .train();
            assertThat(options.logging().loggingInterval(total))
                    .isEqualTo(shares.get("logging").intValue());
            int every = shares.get("eval").intValue();
            EvaluationTimes times = new EvaluationTimes(options, TinyRun.steps(8, options));
            for (int done = 1; done <= total; done++) {
                assertThat(times.isDueAfter(done)).isEqualTo(done == total || done % every == 0);
            }
            assertThat(times.maxLines()).isGreaterThanOrEqualTo((total + every - 1) / every);
            int warmup = shares.get("warmup").intValue();
            if (warmup <= total) {
                assertThat(options.step().schedule(total).warmup()).isEqualTo(warmup);
            }
        }
    }

    static Stream<Arguments> bad() {
        return Stream.of(
                bad("beta is 0", builder -> builder.beta(0)),
                bad("beta is NaN", builder -> builder.beta(Double.NaN)),
                bad("label_smoothing is 0.5", builder -> builder.labelSmoothing(0.5)),
                bad(
                        "label_smoothing is 0.1, but no loss",
                        b -> b.lossType(LossType.HINGE).labelSmoothing(0.1)),
                bad("label_smoothing is 0, must be above 0", b -> b.lossType(LossType.EXO_PAIR)),
                bad(
                        "f_divergence_type js_divergence is not defined for the loss aot",
                        b -> b.lossType(LossType.SIGMOID, LossType.AOT).fDivergenceType(Divergence.JS_DIVERGENCE)),
                bad(
                        "f_divergence_type forward_kl is read by no loss",
                        b -> b.lossType(LossType.CPO).fDivergenceType(Divergence.FORWARD_KL)),
                bad("f_alpha_divergence_coef is 0.7, but", b -> b.fAlphaDivergenceCoef(0.7f)),
                bad("discopop_tau is 0.1, but no loss", b -> b.discopopTau(0.1f)),
                bad("dpop_lambda is 5, but no loss", b -> b.dpopLambda(5)),
                bad("simpo_gamma is 1, but no loss", b -> b.simpoGamma(1)),
                bad("it has no default; 0 makes it simpo", b -> b.lossType(LossType.ALPHAPO)),
                bad("use_weighting is 1, but aot", b -> b.lossType(LossType.AOT).useWeighting(true)),
                bad("ld_alpha is 1.5", b -> b.ldAlpha(1.5)),
                bad(
                        "ld_alpha is 0.5",
                        b -> b.lossType(LossType.SIGMOID, LossType.SFT).ldAlpha(0.5)),
                bad("reference_free is true", b -> b.lossType(LossType.SIMPO).referenceFree(true)),
                bad("reference_free is true", b -> b.lossType(LossType.DPOP).referenceFree(true)),
                bad("bco_running_mean is true", b -> b.bcoRunningMean(true)),
                bad(
                        "loss_weights has 1 weights for 2",
                        b -> b.lossType(LossType.SIGMOID, LossType.SFT).lossWeights(1)),
                bad(
                        "bf16_stochastic_round is true but dtype is float32",
                        b -> b.dtype(Precision.FLOAT32).bf16StochasticRound(true)),
                bad(
                        "adam_moments_dtype is bfloat16 but bf16_stochastic_round is false",
                        b -> b.dtype(Precision.BFLOAT16).adamMomentsDtype(Precision.BFLOAT16)),
                bad("learning_rate is -1", builder -> builder.learningRate(-1)),
                bad("learning_rate is Infinity", builder -> builder.learningRate(Double.POSITIVE_INFINITY)),
                bad("max_length is 1", builder -> builder.maxLength(1)),
                bad("max_prompt_length is 0", builder -> builder.maxPromptLength(0)),
                bad("max_completion_length is 0", builder -> builder.maxCompletionLength(0)),
                bad(
                        "group_by_length is true but train_sampling_strategy is sequential",
                        builder -> builder.groupByLength(true).trainSamplingStrategy(SamplingStrategy.SEQUENTIAL)),
                bad("max_tokens_per_batch is 1", builder -> builder.maxTokensPerBatch(1)),
                bad("per_device_train_batch_size is 0", builder -> builder.perDeviceTrainBatchSize(0)),
                bad("per_device_eval_batch_size is 0", builder -> builder.perDeviceEvalBatchSize(0)),
                bad("gradient_accumulation_steps is 0", builder -> builder.gradientAccumulationSteps(0)),
                bad("num_train_epochs is 0", builder -> builder.numTrainEpochs(0)),
                bad("num_train_epochs is Infinity", builder -> builder.numTrainEpochs(Double.POSITIVE_INFINITY)),
                bad("per_device_train_batch_size is 65537", builder -> builder.perDeviceTrainBatchSize(65_537)),
                bad("per_device_eval_batch_size is 1000000000", b -> b.perDeviceEvalBatchSize(1_000_000_000)),
                bad("gradient_accumulation_steps is 1000001", b -> b.gradientAccumulationSteps(1_000_001)),
                bad("max_steps is 2147483647", builder -> builder.maxSteps(Integer.MAX_VALUE)),
                bad("max_steps is -2", builder -> builder.maxSteps(-2)),
                bad("logging_steps is 1.5", builder -> builder.loggingSteps(1.5)),
                bad("logging_steps is NaN", builder -> builder.loggingSteps(Double.NaN)),
                bad("eval_steps is -0.1", builder -> builder.evalDataset(PATH).evalSteps(-0.1)),
                bad("warmup_steps is -1", builder -> builder.warmupSteps(-1)),
                bad("learning_rate is NaN", builder -> builder.learningRate(Double.NaN)),
                bad("beta is 1.0E300", builder -> builder.beta(1e300)),
                bad("adam_epsilon is 1.0E-50", builder -> builder.adamEpsilon(1e-50)),
                bad("ld_alpha is NaN", builder -> builder.ldAlpha(Double.NaN)),
                bad("output_dir is missing", builder -> builder.outputDir(Path.of(""))),
                bad("max_steps is 0", builder -> builder.maxSteps(0)),
                bad("weight_decay is -1", builder -> builder.weightDecay(-1)),
                bad("adam_beta1 is 1", builder -> builder.adamBeta1(1)),
                bad("adam_beta2 is 1", builder -> builder.adamBeta2(1)),
                bad("adam_epsilon is 0", builder -> builder.adamEpsilon(0)),
                bad("max_grad_norm is -1", builder -> builder.maxGradNorm(-1)),
                bad("logging_steps is 0", builder -> builder.loggingSteps(0)),
                bad("eval_steps is 0", builder -> builder.evalDataset(PATH).evalSteps(0)),
                bad("warmup_ratio is 2", builder -> builder.warmupRatio(2)),
                bad("leave one out", builder -> builder.warmupRatio(0.1).warmupSteps(3)),
                bad("give eval_dataset", builder -> builder.evalSteps(5)),
                bad(
                        "leave one out",
                        builder -> builder.evalDataset(PATH).evalSteps(5).evalStrategy(EvalStrategy.NO)),
                bad(
                        "load_best_model_at_end is true but eval_strategy is no",
                        builder -> builder.evalDataset(PATH).loadBestModelAtEnd(true)),
                bad(
                        "eval_strategy is epoch and save_strategy is steps; set both to the same",
                        builder -> builder.evalDataset(PATH)
                                .evalStrategy(EvalStrategy.EPOCH)
                                .loadBestModelAtEnd(true)),
                bad(
                        "save_steps 500 is not a multiple of eval_steps 7",
                        builder -> builder.evalDataset(PATH).evalSteps(7).loadBestModelAtEnd(true)),
                bad(
                        "save_steps 0.3 is not a multiple of eval_steps 0.2",
                        builder -> builder.evalDataset(PATH)
                                .evalSteps(0.2)
                                .saveSteps(0.3)
                                .loadBestModelAtEnd(true)),
                bad(
                        "save_steps 500 and eval_steps 0.1 one is a share",
                        builder -> builder.evalDataset(PATH).evalSteps(0.1).loadBestModelAtEnd(true)),
                bad(
                        "early_stopping_patience is 2 but eval_strategy is no",
                        builder -> builder.evalDataset(PATH).earlyStoppingPatience(2)),
                bad("early_stopping_threshold is 0.1 but", builder -> builder.earlyStoppingThreshold(0.1)),
                bad("greater_is_better is given but", builder -> builder.greaterIsBetter(true)),
                bad(
                        "entropy, which is not known to be better in one direction; set greater_is_better",
                        builder -> builder.evalDataset(PATH).evalSteps(2).metricForBestModel("entropy")),
                bad("leave one out", builder -> builder.bf16(false).dtype(Precision.BFLOAT16)));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("bad")
    void refusesByName(String message, UnaryOperator<DpoOptions.Builder> change) {
        DpoOptions.Builder changed = change.apply(required(DpoOptions.builder()));
        assertThatThrownBy(changed::build).isInstanceOf(Dpo4jException.class).hasMessageContaining(message);
    }

    @Test
    void aMissingPathIsNamed() {
        assertThatThrownBy(() ->
                        DpoOptions.builder().datasetName(PATH).outputDir(PATH).build())
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("model_name_or_path");
    }

    private static Arguments bad(String message, UnaryOperator<DpoOptions.Builder> change) {
        return Arguments.of(message, change);
    }

    private static DpoOptions.Builder required(DpoOptions.Builder builder) {
        return builder.modelNameOrPath(PATH).datasetName(PATH).outputDir(PATH);
    }
}
