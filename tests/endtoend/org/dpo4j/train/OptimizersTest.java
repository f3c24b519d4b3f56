package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.function.UnaryOperator;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.model.Model;
import org.dpo4j.model.ParameterRange;
import org.dpo4j.model.Parameters;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.testkit.Bounded;
import org.dpo4j.testkit.ReferenceSgd;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The optimizers of {@code optim}: their weight decay, their state, their options. The kernels have tests of their own. */
class OptimizersTest {
    /** The embedding has 4800 elements, so adamw_8bit stores its moments in 8 bits; the other parameters are smaller. */
    private static final ModelConfig CONFIG = Llama.config(300, 16, 24, 1, 2, 1, 64, true);

    private static final double LR = 0x1p-7;

    private static TrainOptions options(OptimizerName optim, String args, double weightDecay) {
        return TinyRun.options()
                .optim(optim)
                .optimArgs(args.isEmpty() ? OptionMap.EMPTY : OptionMap.parse(args))
                .weightDecay(weightDecay)
                .maxGradNorm(0)
                .build()
                .train();
    }

    /** Weights after steps whose gradient is {@code gradient} everywhere. */
    private static float[] weights(On on, TrainOptions options, float gradient, int steps) {
        float[] gradients = new float[steps];
        Arrays.fill(gradients, gradient);
        return weights(on, options, gradients);
    }

    /** Weights after steps whose gradient is everywhere one of {@code gradients}. */
    private static float[] weights(On on, TrainOptions options, float... gradients) {
        try (Model model = Model.create(CONFIG, on.device(), DType.F32, 3);
                Optimizer optimizer =
                        new Optimizer(model.parameters(), options, CountStep.Sums.NONE, gradients.length)) {
            Parameters parameters = model.parameters();
            float[] values = new float[Math.toIntExact(parameters.count())];
            for (float gradient : gradients) {
                for (ParameterRange range : parameters.ranges()) { // gaps have no gradient
                    Arrays.fill(values, (int) range.begin(), (int) range.end(), gradient);
                }
                ByteBuffer bytes = ByteBuffer.allocateDirect(4 * values.length).order(ByteOrder.nativeOrder());
                bytes.asFloatBuffer().put(values);
                on.device().upload(parameters.gradients(), bytes);
                optimizer.step(LR);
            }
            return TinyRun.weights(model);
        }
    }

    /**
     * As with PyTorch's GradScaler, which leaves out {@code optimizer.step()}: the steps after a skipped one have the bits of
     * a run without it. Also if the first one is skipped, before bias corrections and velocities have begun.
     */
    @OnEachDevice
    void aSkippedStepLeavesNoTrace(On on) {
        for (OptimizerName optim : OptimizerName.values()) {
            String args = optim == OptimizerName.SGD ? "momentum=0.9,dampening=0.5" : "";
            TrainOptions options = options(optim, args, 0.1);
            float nan = Float.NaN;
            float[] expected = weights(on, options, 0.25f, -0.5f, 0.75f);
            assertThat(weights(on, options, nan, 0.25f, nan, nan, -0.5f, 0.75f, nan))
                    .as("%s", optim)
                    .isEqualTo(expected);
        }
    }

    private static float[] initial(On on) {
        try (Model model = Model.create(CONFIG, on.device(), DType.F32, 3)) {
            return TinyRun.weights(model);
        }
    }

    private static int decayCount(On on) {
        try (Model model = Model.planned(CONFIG, on.device(), DType.F32)) {
            return Math.toIntExact(model.parameters().decayCount());
        }
    }

    /** As in transformers' Trainer: norms and biases have none. Without gradients, nothing else changes a weight. */
    @OnEachDevice
    void matricesHaveWeightDecayAndVectorsHaveNone(On on) {
        float[] before = initial(on);
        int end = decayCount(on);
        for (OptimizerName optim : OptimizerName.values()) {
            float[] after = weights(on, options(optim, "", 0.5), 0, 1);
            assertThat(Arrays.copyOfRange(after, end, after.length))
                    .as("vectors, %s", optim)
                    .isEqualTo(Arrays.copyOfRange(before, end, before.length));
            for (int i = 0; i < end; i++) {
                assertThat(after[i] == before[i])
                        .as("%s [%d] from %s", optim, i, before[i])
                        .isEqualTo(before[i] == 0);
            }
            assertThat(weights(on, options(optim, "", 0), 0, 1))
                    .as("no decay, %s", optim)
                    .isEqualTo(before);
        }
    }

    /** The dampening begins with the second step. */
    @OnEachDevice
    void dampeningBeginsWithTheSecondStep(On on) {
        float[] before = initial(on);
        float[] after = weights(on, options(OptimizerName.SGD, "momentum=0.9,dampening=0.5", 0.1), 0.25f, 3);
        for (int i : new int[] {0, 1, 777, decayCount(on)}) {
            ReferenceSgd reference = new ReferenceSgd(Bounded.exact(before[i]));
            for (int t = 1; t <= 3; t++) {
                double decay = i < decayCount(on) ? 0.1 : 0;
                reference.step(Bounded.exact(0.25), LR, t == 1 ? 1 : 0.5, 0.9, decay, false);
            }
            assertThat(Math.abs(after[i] - reference.parameter.value()))
                    .isLessThanOrEqualTo(reference.parameter.error());
        }
    }

    /**
     * The first step uses moments before they are stored, so it has the bits of adamw_torch. Later only the embedding
     * differs, because the other parameters have fewer than 4096 elements.
     */
    @OnEachDevice
    void smallParametersHaveMomentsInFloat32(On on) {
        TrainOptions plain = options(OptimizerName.ADAMW_TORCH, "", 0.1);
        TrainOptions coded = options(OptimizerName.ADAMW_8BIT, "", 0.1);
        assertThat(weights(on, coded, 0.25f, 1)).isEqualTo(weights(on, plain, 0.25f, 1));
        float[] expected = weights(on, plain, 0.3f, 4);
        float[] found = weights(on, coded, 0.3f, 4);
        int embedding = 4800;
        assertThat(Arrays.copyOfRange(found, embedding, found.length))
                .isEqualTo(Arrays.copyOfRange(expected, embedding, expected.length));
    }

    /** By hand: weight, master weight, gradient, and the state of each optimizer. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        adamw_torch        |                             | 16 bytes per parameter: weight 4, gradient 4, AdamW's moments 8
        adamw_8bit         |                             | 10.03 bytes per parameter: weight 4, gradient 4, AdamW's moments 2.03
        sgd                |                             | 8 bytes per parameter: weight 4, gradient 4
        sgd                | momentum=0.9                | 12 bytes per parameter: weight 4, gradient 4, SGD's velocity 4
        rmsprop            |                             | 12 bytes per parameter: weight 4, gradient 4, RMSprop's means 4
        rmsprop            | centered=true,momentum=0.5  | 20 bytes per parameter: weight 4, gradient 4, RMSprop's means 12
        lion_32bit         |                             | 12 bytes per parameter: weight 4, gradient 4, Lion's mean 4
        """)
    void theHeaderSaysTheBytesOfAParameter(String name, String args, String expected) {
        TrainOptions options = options(named(name), args == null ? "" : args, 0);
        assertThat(bytes(DType.F32, options)).isEqualTo(expected);
    }

    @Test
    void theHeaderSaysTheBytesOfMasterWeights() {
        UnaryOperator<DpoOptions.Builder> stochastic = options -> options.bf16StochasticRound(true);
        assertThat(bytes(DType.BF16, TinyRun.options().build().train())).startsWith("18 bytes");
        DpoOptions.Builder rounded = stochastic.apply(TinyRun.options());
        assertThat(bytes(DType.BF16, rounded.build().train())).startsWith("14 bytes");
        DpoOptions.Builder both = rounded.adamMomentsDtype(Precision.BFLOAT16);
        assertThat(bytes(DType.BF16, both.build().train())).startsWith("10 bytes");
        DpoOptions.Builder codes = stochastic.apply(TinyRun.options()).optim(OptimizerName.ADAMW_8BIT);
        assertThat(bytes(DType.BF16, codes.build().train()))
                .isEqualTo("8.03 bytes per parameter: weight 2, gradient 4, AdamW's moments 2.03");
    }

    private static OptimizerName named(String name) {
        return Arrays.stream(OptimizerName.values())
                .filter(each -> each.toString().equals(name))
                .findFirst()
                .orElseThrow();
    }

    /** Of a model whose parameters are large. */
    private static String bytes(DType dtype, TrainOptions options) {
        ModelConfig large = Llama.config(128_256, 4096, 14_336, 2, 32, 8, 131_072, false);
        try (Device device = Devices.open("cpu", notice -> {});
                Model model = Model.planned(large, device, dtype)) {
            return Optimizer.bytesPerParameter(model.parameters(), options.optimizer());
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        sgd          | momentum=2,alpha=1   | optim_args has alpha, which optim sgd does not read; it reads momentum, dampening, nesterov
        sgd          | momentum=x           | optim_args: momentum is x; it must be at least 0
        sgd          | nesterov=true        | nesterov needs a momentum above 0
        sgd          | dampening=0.5        | dampening does nothing without momentum
        rmsprop      | alpha=1              | optim_args: alpha is 1; it must be at least 0 and below 1
        rmsprop      | eps=0                | optim_args: eps is 0; it must be above 0
        rmsprop      | centered=maybe       | optim_args: centered is maybe; it must be true or false
        rmsprop      | weight_decay=0.1     | optim_args has weight_decay, which transformers reads but does not apply
        adamw_torch  | momentum=0.9         | optim_args has momentum, which optim adamw_torch does not read; it reads none
        """)
    void valuesThatNoOptimizerReadsAreRefused(String optim, String args, String message) {
        assertRefused(() -> options(named(optim), args, 0), message);
    }

    @Test
    void optionsOfAnotherOptimizerAreRefused() {
        assertRefused(
                () -> TinyRun.options().optim(OptimizerName.SGD).adamBeta1(0.8).build(),
                "adam_beta1 is 0.8, which optim sgd does not read");
        assertRefused(
                () -> TinyRun.options()
                        .optim(OptimizerName.RMSPROP)
                        .adamEpsilon(1e-6)
                        .build(),
                "adam_epsilon is 1.0E-6, which optim rmsprop does not read; give eps in optim_args");
        assertRefused(
                () -> TinyRun.options()
                        .optim(OptimizerName.ADAMW_8BIT)
                        .adamMomentsDtype(Precision.BFLOAT16)
                        .build(),
                "adam_moments_dtype is bfloat16, which optim adamw_8bit does not read");
    }

    /** Names of transformers 5.23 that dpo4j lacks, and names that people try. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
        adafactor                  | to save memory, set adamw_8bit; else adamw_torch
        adagrad                    | set rmsprop
        adamw_torch_xla            | set adamw_torch, whose formula it has
        adamw_torch_4bit           | the smallest moments are those of adamw_8bit
        paged_adamw_8bit           | state is never paged out; set adamw_8bit
        paged_lion_8bit            | 8-bit state is supported for AdamW only; set lion_32bit
        lion                       | set lion_32bit
        muon                       | set adamw_torch
        rmsprop_bnb                | set rmsprop, which is the same
        rmsprop_bnb_8bit           | 8-bit state is supported for AdamW only; set rmsprop
        galore_adamw_8bit_layerwise| to save memory, set adamw_8bit
        lomo                       | to save memory, set adamw_8bit
        grokadamw                  | set adamw_torch
        paged_ademamix_32bit       | set adamw_torch
        schedule_free_sgd          | set adamw_torch or sgd, with a schedule
        """)
    void otherNamesAreRefusedWithWhatToDo(String name, String advice) {
        assertThat(OptimizerName.required(name)).contains(name + " is not supported: " + advice);
        assertThat(OptimizerName.required("adam")).doesNotContain("is not supported");
    }
}
