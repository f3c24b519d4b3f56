package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.dpo4j.model.PairStep.get;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import org.dpo4j.conformance.CountingDevice;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachCudaDevice;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.head.HeadPlan.Path;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.kernels.internal.CudaDevice;
import org.dpo4j.kernels.internal.CudaSettings;
import org.dpo4j.model.PairStep.Head;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;

/**
 * The path of the head that a model chooses: exponentials on a Hopper GPU in bf16, stored logits elsewhere and without the kernel. Both
 * compute the same log-probs and gradients, within their roundings.
 */
class HeadPathTest {
    private static final ModelConfig CONFIG = Llama.config(700, 32, 48, 2, 2, 1, 64, false);
    private static final List<PreferencePair> PAIRS = pairs();
    private static final int TOKENS = 40;
    private static final PairStep.Input INPUT =
            new PairStep.Input(PAIRS, new float[] {-20, -30, -5, -12, -25, -6, -9, -40}, 0.1);

    /** In one chunk; in chunks of pairs; and with a fourth product. */
    private static final List<Head> HEADS =
            List.of(Head.DEFAULT, new Head(12, 2), new Head(7, CompletionLoss.WHOLE_BATCH));

    private static List<PreferencePair> pairs() {
        Random random = new Random(7);
        return List.of(pair(random, 3), pair(random, 5), pair(random, 1), pair(random, 4));
    }

    private static PreferencePair pair(Random random, int prompt) {
        return new PreferencePair(0, ids(random, prompt), ids(random, 4), ids(random, 6));
    }

    private static int[] ids(Random random, int count) {
        return random.ints(count, 3, 700).toArray();
    }

    private static Device without(String kernel) {
        return CudaDevice.open(0, new CudaSettings(kernel, 0));
    }

    private static HeadPlan plan(Device device, DType dtype, Use use) {
        return HeadPlan.on(device, use, 700, 32, dtype);
    }

    private static void assumeHopper(On on) {
        assumeTrue(plan(on.device(), DType.BF16, Use.TRAINING).path() == Path.EXPONENTIALS, "not a Hopper GPU");
    }

    /** Every use has the same path, so log-probs of a reference have the bits of those of training. */
    @OnEachDType
    void theDeviceAndTheDtypeChooseThePath(On on) {
        Path path = plan(on.device(), on.dtype(), Use.TRAINING).path();
        boolean isHopper = on.device().description().contains("compute capability 9.0");
        assertThat(path == Path.EXPONENTIALS).isEqualTo(isHopper && on.dtype() == DType.BF16);
        assertThat(plan(on.device(), on.dtype(), Use.FORWARD).path()).isEqualTo(path);
        assertThat(plan(on.device(), on.dtype(), Use.FROZEN).path()).isEqualTo(path);
        assertThat(HeadPlan.on(on.device(), Use.TRAINING, 700, 36, on.dtype()).path())
                .isNotEqualTo(Path.EXPONENTIALS); // rows of 72 bytes are not on 16
        try (Model model = Model.planned(CONFIG, on.device(), on.dtype());
                TrainingModel training = new TrainingModel(model, new TrainingModel.Options(CompletionSums.PLAIN))) {
            assertThat(training.headPath()).isEqualTo(path);
        }
    }

    /** Without either of the two kernels logits are stored. */
    @OnEachCudaDevice
    void aKernelThatIsOffIsNotChosen(On on) {
        assumeHopper(on);
        for (String kernel : List.of("lm_head_exponentials_sm90a", "lm_head_forward_sm90a")) {
            try (Device without = without(kernel)) {
                for (Use use : Use.values()) {
                    assertThat(plan(without, DType.BF16, use).path()).isNotEqualTo(Path.EXPONENTIALS);
                }
            }
        }
    }

    /**
     * Log-probs of training, of scoring, with statistics and without, and in any chunks have the same bits: the rewards of the first step
     * are 0.
     */
    @OnEachCudaDevice
    void logProbsHaveTheSameBitsInEveryPass(On on) {
        assumeHopper(on);
        List<Sequence> sequences = List.of(
                new Sequence(0, new int[] {5}, new int[] {9, 690}),
                new Sequence(0, new int[] {7, 8}, new int[] {1, 2, 300}));
        PackedBatch batch = PackedBatch.sequences(sequences);
        try (Model model = Model.create(CONFIG, on.device(), DType.BF16, 3)) {
            float[] expected = scored(model, batch, CompletionSums.PLAIN);
            assertThat(scored(model, batch, new CompletionSums(1, true))).isEqualTo(expected);
            for (boolean hasStatistics : new boolean[] {false, true}) {
                for (int rows : new int[] {1, 3, 100}) {
                    TrainingModel.Options options =
                            new Head(rows, 1).options(model, new CompletionSums(1, hasStatistics));
                    try (TrainingModel training = new TrainingModel(model, options);
                            GivenGradient loss = new GivenGradient(on.device(), 2, batch.tokens(), 1)) {
                        loss.accumulate(training, batch, 1, 1);
                        assertThat(loss.tokens()).as("%d rows", rows).isEqualTo(expected);
                    }
                }
            }
        }
    }

    private static float[] scored(Model model, PackedBatch batch, CompletionSums sums) {
        try (ScoringModel scoring = new ScoringModel(model, sums)) {
            return model.device().downloadFloats(scoring.forward(batch).tokens(), batch.tokens());
        }
    }

    /**
     * Both paths round the gradient of the logits to bf16 once, the scaled hidden states once and d_hidden twice, at other places. Then
     * each of the two layers rounds about twelve values on the way back, which differ too. A rounding to bf16 has a relative error of
     * 2^-9 / sqrt(3) on average. So 2 times 28 of them, of either sign, make 0.0085 of the norm of a tensor; twice that is allowed.
     */
    private static void assertSameGradients(On on, Consumer<Model> prepare) {
        try (Device logits = without("lm_head_exponentials_sm90a");
                Model stored = Model.create(CONFIG, logits, DType.BF16, 3);
                Model model = Model.create(CONFIG, on.device(), DType.BF16, 3)) {
            prepare.accept(stored);
            prepare.accept(model);
            PairStep expected = INPUT.run(stored, Head.DEFAULT);
            for (Head head : HEADS) {
                PairStep step = INPUT.run(model, head);
                for (int i = 0; i < TOKENS; i++) {
                    // 32 products in another order, of logits of about 1
                    assertThat(step.tokens()[i])
                            .as("log-prob %d, %s", i, head)
                            .isCloseTo(expected.tokens()[i], within(1e-5f));
                }
                step.gradients()
                        .forEach((tensor, gradient) -> assertThat(GradientTest.relativeError(
                                        gradient, GradientTest.doubles(get(expected.gradients(), tensor))))
                                .as("%s, %s", tensor, head)
                                .isLessThan(0x1p-6));
            }
        }
    }

    @OnEachCudaDevice
    void gradientsAreThoseOfStoredLogits(On on) {
        assumeHopper(on);
        assertSameGradients(on, model -> {});
    }

    /** With adapters the head is frozen: one product for each row's logits, one for its gradient, and none for that of the head. */
    @OnEachCudaDevice
    void aFrozenHeadHasTwoProducts(On on) {
        assumeHopper(on);
        CountingDevice counting = new CountingDevice(on.device(), 700);
        try (Model model = Model.create(CONFIG, counting.device(), DType.BF16, 3)) {
            model.addAdapter(new LoraConfig(4, 8, List.of("q_proj", "down_proj")), null, 1);
            PackedBatch batch = PackedBatch.pairs(PAIRS, true);
            for (Head head : HEADS) {
                try (TrainingModel training = new TrainingModel(model, head.options(model, CompletionSums.PLAIN));
                        GivenGradient loss = new GivenGradient(on.device(), 8, TOKENS, head.group())) {
                    loss.accumulate(training, batch, 1, -1, 1, -1, 1, -1, 1, -1);
                }
            }
        }
        assertThat(counting.logits).isZero(); // the kernel computes them
        assertThat(counting.dRows).isGreaterThanOrEqualTo(3 * TOKENS); // padded
        assertThat(counting.dHead).isZero();
    }
}
