package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachBf16Device;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.UnpairedLoss;
import org.dpo4j.model.GptConfigs;
import org.dpo4j.model.Model;
import org.dpo4j.model.TrainingModel;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The planned memory equals the peak of runs, each on a device of its own. */
class MemoryPlanTest {
    private static final List<PreferencePair> PAIRS = TinyRun.pairs(11);

    /** Llama-3.1-8B. */
    static final ModelConfig EIGHT_BILLION = Llama.config(128_256, 4096, 14_336, 32, 32, 8, 131_072, false);

    /** Four steps of six of the 11 pairs: each pair occurs at least twice. */
    private static DpoOptions.Builder evaluated() {
        return TinyRun.options()
                .evalDataset(Path.of("unread"))
                .perDeviceTrainBatchSize(3)
                .perDeviceEvalBatchSize(2)
                .gradientAccumulationSteps(2)
                .maxSteps(4);
    }

    private static long assertPlanIsPeak(On on, TrainOptions options, Function<Model, Objective> newObjective) {
        return assertPlanIsPeak(on, TinyRun.CONFIG, options, newObjective);
    }

    private static long assertPlanIsPeak(
            On on, ModelConfig config, TrainOptions options, Function<Model, Objective> newObjective) {
        try (Device device = Devices.open(on.device().name(), notice -> {});
                Model model = Model.create(config, device, on.dtype(), 3)) {
            Objective objective = newObjective.apply(model);
            MemoryPlan plan = plan(model, objective, options);
            TinyRun.run(model, options, objective);
            assertThat(device.peakAllocatedBytes()).as("%s", plan).isEqualTo(plan.bytes());
            return plan.bytes();
        }
    }

    private static MemoryPlan plan(Model model, Objective objective, TrainOptions options) {
        Steps steps = TinyRun.steps(objective.rows(), options);
        return MemoryPlan.of(objective, steps, ReferencePlanner.plan(objective, steps, options), options);
    }

    private static void assertPlanIsPeak(On on, DpoOptions.Builder builder) {
        assertPlanIsPeak(on, builder, TrainingModel.Options.DEFAULT_LOGITS_BYTES);
    }

    private static void assertPlanIsPeak(On on, DpoOptions.Builder builder, long logitsBytes) {
        DpoOptions options = builder.build();
        assertPlanIsPeak(
                on, options.train(), model -> new PreferenceObjective(model, PAIRS, PAIRS, options, logitsBytes));
    }

    @OnEachDType
    @Tag("large")
    void thePlanIsThePeakOfPreferences(On on) {
        assertPlanIsPeak(on, evaluated());
        assertPlanIsPeak(on, evaluated().perDeviceTrainBatchSize(8).loggingSteps(3));
        assertPlanIsPeak(on, evaluated().referenceFree(true));
        assertPlanIsPeak(on, evaluated().lossType(LossType.AOT));
        assertPlanIsPeak(on, evaluated().precomputeRefLogProbs(false));
        assertPlanIsPeak(on, evaluated().syncRefModel(true).refModelSyncSteps(2));
    }

    /** Also of a parameter whose moments have 8 bits. */
    @OnEachDType
    void thePlanIsThePeakOfEachOptimizer(On on) {
        ModelConfig config = Llama.config(300, 16, 24, 1, 2, 1, 64, true);
        for (OptimizerName optim : OptimizerName.values()) {
            // SGD without momentum has no state, and the test's own copy of the weights is then the peak
            OptionMap args = optim == OptimizerName.SGD ? OptionMap.parse("momentum=0.9") : OptionMap.EMPTY;
            DpoOptions options = TinyRun.options()
                    .optim(optim)
                    .optimArgs(args)
                    .useEma(optim == OptimizerName.LION_32BIT)
                    .neftuneNoiseAlpha(5)
                    .maxSteps(1)
                    .build();
            assertPlanIsPeak(
                    on, config, options.train(), model -> new PreferenceObjective(model, PAIRS, List.of(), options));
        }
    }

    /** Learned positions, and the gradient of an input that both branches have; activations kept, and computed again. */
    @OnEachDevice
    void thePlanIsThePeakOfOtherBlocks(On on) {
        for (ModelConfig config : GptConfigs.ALL) {
            assertThat(peak(on, config, true)).isLessThan(peak(on, config, false));
        }
    }

    private static long peak(On on, ModelConfig config, boolean areRecomputed) {
        DpoOptions options = evaluated().gradientCheckpointing(areRecomputed).build();
        return assertPlanIsPeak(
                on, config, options.train(), model -> new PreferenceObjective(model, PAIRS, PAIRS, options));
    }

    /** The logits of a micro-batch do not fit; and the reference needs more memory than training. */
    @OnEachDType
    void thePlanIsThePeakInLittleMemoryAndWithLargeBatchesOfTheReference(On on) {
        assertPlanIsPeak(on, evaluated(), 4L * 40 * 6);
        DpoOptions grown = evaluated().build();
        assertPlanIsPeak(on, grown.train(), model -> {
            Objective objective = new PreferenceObjective(model, PAIRS, PAIRS, grown, 4L * 40 * 6);
            objective.growLogits();
            return objective;
        });
        DpoOptions options = manyPairs(16);
        long peak = assertPlanIsPeak(on, options.train(), model -> objectiveOfManyPairs(model, options));
        DpoOptions onePairAtATime = manyPairs(1);
        try (Model model = TinyRun.model(on);
                Objective objective = objectiveOfManyPairs(model, onePairAtATime)) {
            assertThat(plan(model, objective, onePairAtATime.train()).bytes())
                    .as("the plan if training needs more than the reference")
                    .isLessThan(peak);
        }
    }

    /** One step of 16 pairs, one at a time. The reference has {@code referenceBatch} at a time. */
    private static DpoOptions manyPairs(int referenceBatch) {
        return TinyRun.options()
                .perDeviceTrainBatchSize(1)
                .perDeviceEvalBatchSize(referenceBatch)
                .gradientAccumulationSteps(16)
                .maxSteps(1)
                .build();
    }

    private static Objective objectiveOfManyPairs(Model model, DpoOptions options) {
        return new PreferenceObjective(
                model, TinyRun.pairs(16), List.of(), options, TrainingModel.Options.DEFAULT_LOGITS_BYTES);
    }

    @OnEachDType
    void thePlanIsThePeakOfSequences(On on) {
        TrainOptions options = evaluated().build().train();
        assertPlanIsPeak(
                on,
                options,
                model -> new SequenceObjective(model, TinyRun.sequences(13), TinyRun.sequences(5), options));
    }

    /** The passes for the KL baseline, too, and pairs with weights. */
    @OnEachDType
    void thePlanIsThePeakOfJudgedCompletionsAndOfWeights(On on) {
        for (UnpairedLoss.Type loss : UnpairedLoss.Type.values()) {
            KtoOptions options = KtoOptions.builder()
                    .modelNameOrPath(Path.of("/unread"))
                    .datasetName(Path.of("unread"))
                    .outputDir(Path.of("unread"))
                    .evalDataset(Path.of("unread"))
                    .lossType(loss)
                    .perDeviceTrainBatchSize(3)
                    .perDeviceEvalBatchSize(2)
                    .maxSteps(4)
                    .build();
            assertPlanIsPeak(
                    on,
                    options.train(),
                    model -> new UnpairedObjective(model, TinyRun.judged(11), TinyRun.judged(5), options));
        }
        DpoOptions options = evaluated().build();
        PreferencePair first = PAIRS.get(0);
        List<PreferencePair> weighted = new ArrayList<>(PAIRS);
        weighted.set(
                0,
                new PreferencePair(
                        1, first.prompt(), first.chosen(), first.prompt(), first.rejected(), 2, Float.NaN, Float.NaN));
        assertPlanIsPeak(on, options.train(), model -> new PreferenceObjective(model, weighted, PAIRS, options));
    }

    @OnEachBf16Device
    void thePlanIsThePeakWithoutMasterWeightsAndWithSmallMoments(On on) {
        assertPlanIsPeak(on, evaluated().bf16StochasticRound(true));
        assertPlanIsPeak(on, evaluated().bf16StochasticRound(true).adamMomentsDtype(Precision.BFLOAT16));
    }

    private static PreferencePair pair(int prompt, int completion) {
        int[] ids = new int[Math.max(prompt, completion)];
        Arrays.fill(ids, 7);
        return new PreferencePair(
                1, Arrays.copyOf(ids, prompt), Arrays.copyOf(ids, completion), Arrays.copyOf(ids, completion));
    }

    /** Pairs of 2048 rows, of which a step has 16 Ki. */
    static final List<PreferencePair> LONG_PAIRS = Collections.nCopies(8, pair(1026, 512));

    private static MemoryPlan eightBillion(Device device, int microBatch, DpoOptions.Builder options) {
        return DpoSteps.memory(
                EIGHT_BILLION,
                device,
                DType.BF16,
                LONG_PAIRS,
                options.perDeviceTrainBatchSize(microBatch)
                        .perDeviceEvalBatchSize(microBatch)
                        .gradientAccumulationSteps(8 / microBatch)
                        .maxSteps(2)
                        .build(),
                true);
    }

    private static DpoOptions.Builder small() {
        return TinyRun.options().bf16StochasticRound(true).adamMomentsDtype(Precision.BFLOAT16);
    }

    private static void assertGigabytes(MemoryPlan plan, double expected) {
        assertThat(plan.bytes() / 1e9).as("%s", plan).isCloseTo(expected, within(0.5));
    }

    /**
     * By hand: 8,030,261,248 parameters. Each row keeps 2 (2 4096 + 6144 + 4096 + 28672) + 4 32 + 8 = 94,344 bytes per
     * layer, 2 (4 4096 + 2 14336 + 4096 + 6144) bytes besides, and workspaces of less than 20 KB. On cpu a pass has one of these pairs,
     * 2048 rows. The tolerance is half a gigabyte, so that workspaces may change.
     */
    @Test
    void eightBillionParametersIn130Gigabytes() {
        long parameters = 8_030_261_248L;
        try (Device device = Devices.open("cpu", notice -> {})) {
            MemoryPlan plan = eightBillion(device, 4, small());
            assertThat(plan.weights() + plan.gradients() + plan.state()).isEqualTo(10 * parameters);
            long row = 32 * 94_344 + 2 * (4 * 4096 + 2 * 14_336 + 4096 + 6144);
            assertThat(plan.passes().training().activations()).isBetween(2048 * row, 2048 * (row + 20_000));
            long inputsAndOneLayer = row - 31 * (94_344 - 2 * 4096);
            MemoryPlan less = eightBillion(device, 4, small().gradientCheckpointing(true));
            assertThat(less.passes().training().activations())
                    .isBetween(2048 * inputsAndOneLayer, 2048 * (inputsAndOneLayer + 20_000));
            assertThat(plan.bytes() - less.bytes())
                    .isEqualTo(plan.passes().training().activations()
                            - less.passes().training().activations());
            double pair = 2048 * (row + 17_000) / 1e9; // 17 KB of workspaces
            assertGigabytes(plan, 106.9 - 3 * pair);
            assertThat(plan.bytes() + plan.weights())
                    .as("with a second, frozen copy")
                    .isLessThan(130_000_000_000L);
            assertGigabytes(eightBillion(device, 8, small()), 132.7 - 7 * pair);
            assertGigabytes(eightBillion(device, 2, TinyRun.options().bf16StochasticRound(true)), 126.1 - pair);
            assertGigabytes(eightBillion(device, 1, TinyRun.options()), 151.8);
            assertThat(device.peakAllocatedBytes())
                    .as("the model is not allocated")
                    .isLessThan(1 << 20);
        }
    }
}
