package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachBf16Device;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Shuffle;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.LossType;
import org.dpo4j.model.Model;
import org.dpo4j.model.TrainingModel;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.junit.jupiter.api.Test;

/** Memory by arithmetic, beside the peak of runs on a device of their own. */
class MemoryPlanTest {
    private static final List<PreferencePair> PAIRS = TinyRun.pairs(11);

    /** Llama-3.1-8B. */
    private static final ModelConfig EIGHT_BILLION = Llama.config(128_256, 4096, 14_336, 32, 32, 8, 131_072, false);

    private static DpoOptions.Builder evaluated() {
        return TinyRun.options()
                .evalDataset(Path.of("unread"))
                .perDeviceTrainBatchSize(3)
                .perDeviceEvalBatchSize(2)
                .gradientAccumulationSteps(2)
                .maxSteps(7);
    }

    private static long planIsPeak(On on, TrainOptions options, Function<Model, Objective> of) {
        try (Device device = Devices.open(on.device().name(), notice -> {});
                Model model = Model.create(TinyRun.CONFIG, device, on.dtype(), 3)) {
            Objective objective = of.apply(model);
            MemoryPlan plan = MemoryPlan.of(model.parameters(), objective, steps(objective.rows(), options), options);
            TinyRun.run(model, options, objective);
            assertThat(device.peakAllocatedBytes()).as("%s", plan).isEqualTo(plan.bytes());
            return plan.bytes();
        }
    }

    private static Steps steps(int rows, TrainOptions options) {
        return new Steps(
                rows, options, epoch -> Shuffle.order(rows, options.seeds().seed(), epoch));
    }

    private static void planIsPeak(On on, DpoOptions options, long logitsBytes) {
        planIsPeak(on, options.train(), model -> new PreferenceObjective(model, PAIRS, PAIRS, options, logitsBytes));
    }

    private static void planIsPeak(On on, DpoOptions options) {
        planIsPeak(on, options, TrainingModel.Options.DEFAULT_LOGITS_BYTES);
    }

    @OnEachDType
    void thePlanIsThePeakOfPreferences(On on) {
        planIsPeak(on, evaluated().build());
        planIsPeak(on, evaluated().perDeviceTrainBatchSize(8).loggingSteps(3).build());
        planIsPeak(on, evaluated().referenceFree(true).build());
        planIsPeak(on, evaluated().lossType(LossType.AOT).build());
    }

    /** Where logits of a micro-batch do not fit; and where all pairs before the first step take more than training does. */
    @OnEachDType
    void thePlanIsThePeakInLittleMemoryAndWithLargeBatchesOfTheReference(On on) {
        planIsPeak(on, evaluated().build(), 4L * 40 * 6);
        DpoOptions options = manyPairs(100);
        long peak = planIsPeak(on, options.train(), model -> objectiveOfManyPairs(model, options));
        DpoOptions onePairAtATime = manyPairs(1);
        try (Model model = Model.create(TinyRun.CONFIG, on.device(), on.dtype(), 3);
                Objective objective = objectiveOfManyPairs(model, onePairAtATime)) {
            Steps steps = steps(objective.rows(), onePairAtATime.train());
            assertThat(MemoryPlan.of(model.parameters(), objective, steps, onePairAtATime.train())
                            .bytes())
                    .as("the plan where training takes more than the reference")
                    .isLessThan(peak);
        }
    }

    /** One step of a hundred pairs, one at a time; the reference takes as many at a time as given. */
    private static DpoOptions manyPairs(int referenceBatch) {
        return TinyRun.options()
                .perDeviceTrainBatchSize(1)
                .perDeviceEvalBatchSize(referenceBatch)
                .gradientAccumulationSteps(100)
                .maxSteps(1)
                .build();
    }

    private static Objective objectiveOfManyPairs(Model model, DpoOptions options) {
        return new PreferenceObjective(
                model, TinyRun.pairs(100), List.of(), options, TrainingModel.Options.DEFAULT_LOGITS_BYTES);
    }

    @OnEachDType
    void thePlanIsThePeakOfSequences(On on) {
        TrainOptions options = evaluated().build().train();
        planIsPeak(
                on,
                options,
                model -> new SequenceObjective(model, TinyRun.sequences(13), TinyRun.sequences(5), options));
    }

    @OnEachBf16Device
    void thePlanIsThePeakWithoutMasterWeightsAndWithSmallMoments(On on) {
        planIsPeak(on, evaluated().bf16StochasticRound(true).build());
        planIsPeak(
                on,
                evaluated()
                        .bf16StochasticRound(true)
                        .adamMomentsDtype(Precision.BFLOAT16)
                        .build());
    }

    private static PreferencePair pair(int prompt, int completion) {
        int[] ids = new int[Math.max(prompt, completion)];
        Arrays.fill(ids, 7);
        return new PreferencePair(
                1, Arrays.copyOf(ids, prompt), Arrays.copyOf(ids, completion), Arrays.copyOf(ids, completion));
    }

    /** Pairs of 2048 rows, of which a step has 16 Ki. */
    private static MemoryPlan eightBillion(Device device, int microBatch, DpoOptions.Builder options) {
        List<PreferencePair> pairs = Collections.nCopies(8, pair(1026, 512));
        return DpoSteps.memory(
                EIGHT_BILLION,
                device,
                DType.BF16,
                pairs,
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

    private static void takesGigabytes(MemoryPlan plan, double expected) {
        assertThat(plan.bytes() / 1e9).as("%s", plan).isCloseTo(expected, within(0.5));
    }

    /**
     * By hand: 8,030,261,248 parameters; of a row and layer 2 (2 4096 + 6144 + 4096 + 28672) + 4 32 + 8 bytes are kept,
     * 94,344; of a row 2 (4 4096 + 2 14336 + 4096 + 6144) bytes beside them, and workspaces of less than 20 KB. Half a
     * gigabyte is left for what workspaces may become.
     */
    @Test
    void eightBillionParametersIn130Gigabytes() {
        long parameters = 8_030_261_248L;
        try (Device device = Devices.open("cpu", notice -> {})) {
            MemoryPlan plan = eightBillion(device, 4, small());
            assertThat(plan.weights() + plan.gradients() + plan.moments()).isEqualTo(10 * parameters);
            long row = 32 * 94_344 + 2 * (4 * 4096 + 2 * 14_336 + 4096 + 6144);
            assertThat(plan.passes().training().activations()).isBetween(8192 * row, 8192 * (row + 20_000));
            takesGigabytes(plan, 106.9);
            assertThat(plan.bytes() + plan.weights())
                    .as("with a second, frozen copy")
                    .isLessThan(130_000_000_000L);
            takesGigabytes(eightBillion(device, 8, small()), 132.7);
            takesGigabytes(eightBillion(device, 2, TinyRun.options().bf16StochasticRound(true)), 126.1);
            takesGigabytes(eightBillion(device, 1, TinyRun.options()), 151.8);
            assertThat(device.peakAllocatedBytes())
                    .as("of the model nothing is made")
                    .isLessThan(1 << 20);
        }
    }

    @Test
    void aRunThatDoesNotFitIsRefusedWithWhatToLower() {
        try (Device device = Devices.open("cpu", notice -> {})) {
            MemoryPlan plan = eightBillion(device, 4, TinyRun.options());
            assertThatCode(() -> plan.check(plan.bytes())).doesNotThrowAnyException();
            assertThatThrownBy(() -> plan.check(85_000_000_000L))
                    .isInstanceOf(Dpo4jException.class)
                    .hasMessageContaining("85.0 GB are available")
                    .hasMessageContaining("master weights 32.1 GB")
                    .hasMessageContaining("bf16_stochastic_round and adam_moments_dtype bfloat16")
                    .hasMessageContaining("lower per_device_train_batch_size");
        }
    }
}
