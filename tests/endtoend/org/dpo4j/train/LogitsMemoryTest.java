package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachBf16Device;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.model.LoraConfig;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;

/** The rows of logits of a run: the default, and more if a group of completions needs more and the device has the memory. */
class LogitsMemoryTest {
    /** Vocabulary and width of Qwen2-0.5B. */
    private static final ModelConfig QWEN = Llama.config(151_936, 896, 64, 1, 14, 2, 4096, true);

    private static final String THREE = "three matrix products per step";

    private static List<PreferencePair> pairs(int count, int completion) {
        int[] ids = new int[completion];
        Arrays.fill(ids, 7);
        return Collections.nCopies(count, new PreferencePair(1, new int[] {3}, ids, ids));
    }

    private static DpoOptions options(LossType loss) {
        return TinyRun.options()
                .lossType(loss)
                .perDeviceTrainBatchSize(4)
                .maxSteps(1)
                .build();
    }

    private static PreferenceObjective objective(Model model, int completion, LossType loss) {
        return new PreferenceObjective(model, pairs(8, completion), List.of(), options(loss));
    }

    /** Of the path of the device. */
    private static int rows(On on, int cpu, int inPlace, int exponentials) {
        if (on.device().name().equals("cpu")) {
            return cpu;
        }
        HeadPlan plan = HeadPlan.on(on.device(), HeadPlan.Use.TRAINING, 151_936, 896, DType.BF16);
        return plan.path() == HeadPlan.Path.EXPONENTIALS ? exponentials : inPlace;
    }

    /**
     * By hand: a row of bf16 needs 4 151936 + 2 896 + 8 bytes, because the gradient overwrites the logits. So 2460 rows fit in 1.5 GB,
     * which are 9.6 times 256. With exponentials it needs 2 151936 + 2 896 + 28 594 + 32: 4653 rows, 18.2 times 256. The cpu has 512
     * MiB for fp32 logits, 883 rows.
     */
    @OnEachBf16Device
    void theDefaultIsWholeTilesOnAGpu(On on) {
        boolean isCpu = on.device().name().equals("cpu");
        try (Model model = Model.planned(QWEN, on.device(), DType.BF16);
                PreferenceObjective objective = objective(model, 512, LossType.SIGMOID)) {
            assertThat(objective.training.logitsRows()).isEqualTo(rows(on, 883, 2304, 4608));
            assertThat(objective.facts().get("head"))
                    .satisfies(head -> assertThat(isThree(head)).isEqualTo(!isCpu));
        }
    }

    /** The rows are a multiple of those of the largest group: of a pair, or of four of them for a loss of the micro-batch. */
    @OnEachBf16Device
    void rowsGrowToWholeGroups(On on) {
        assertGrows(
                on, 512, LossType.SIGMOID, rows(on, 883, 3072, 4608)); // three pairs, or all of the micro-batch fits
        assertGrows(on, 1000, LossType.SIGMOID, rows(on, 883, 4000, 6000)); // two, or three
        assertGrows(on, 100, LossType.SIGMOID, rows(on, 883, 2304, 4608)); // all of the micro-batch fits
        assertGrows(on, 1300, LossType.SIGMOID, rows(on, 883, 2600, 5200)); // one, which did not fit, or two
        assertGrows(on, 1000, LossType.AOT, rows(on, 883, 8000, 8000));
    }

    private static boolean isThree(String head) {
        return head.startsWith(THREE) && !head.contains("four");
    }

    private static void assertGrows(On on, int completion, LossType loss, int rows) {
        try (Model model = Model.planned(QWEN, on.device(), DType.BF16);
                PreferenceObjective objective = objective(model, completion, loss)) {
            int before = objective.training.logitsRows();
            assertThat(objective.growLogits()).isEqualTo(rows > before);
            assertThat(objective.training.logitsRows()).isEqualTo(rows);
            if (rows > before) {
                assertThat(isThree(String.valueOf(objective.facts().get("head"))))
                        .isTrue();
            }
            objective.shrinkLogits();
            assertThat(objective.training.logitsRows()).isEqualTo(before);
        }
    }

    /** A run that does not fit with more rows keeps the default. */
    @OnEachBf16Device
    void theyDoNotGrowBeyondTheMemoryOfTheDevice(On on) {
        if (on.device().name().equals("cpu")) {
            return;
        }
        TrainOptions options = options(LossType.SIGMOID).train();
        try (Model model = Model.planned(QWEN, on.device(), DType.BF16);
                Model large = Model.planned(MemoryPlanTest.EIGHT_BILLION, on.device(), DType.F32);
                PreferenceObjective objective = objective(model, 1000, LossType.SIGMOID)) {
            LogitsMemory.choose(objective, () -> MemoryPlan.ofState(model, options));
            assertThat(objective.training.logitsRows()).isEqualTo(rows(on, 883, 4000, 6000));
            objective.shrinkLogits();
            LogitsMemory.choose(objective, () -> MemoryPlan.ofState(large, options));
            assertThat(objective.training.logitsRows()).isEqualTo(rows(on, 883, 2304, 4608));
        }
    }

    /** A frozen head needs two products in any chunks. */
    @OnEachBf16Device
    void rowsOfAFrozenHeadStay(On on) {
        try (Model model = Model.planned(QWEN, on.device(), DType.BF16)) {
            model.addAdapter(new LoraConfig(4, 8, List.of("q_proj")), null, 1);
            try (PreferenceObjective objective = objective(model, 1000, LossType.SIGMOID)) {
                assertThat(objective.growLogits()).isFalse();
            }
        }
    }

    /** A run that raises its rows of logits before its first step has the results of a run that was created with that many rows. */
    @OnEachDType
    void aRunWithMoreRowsHasTheBitsOfThatManyRows(On on) {
        int largest = TinyRun.pairs(8).stream()
                .mapToInt(pair -> pair.chosen().length + pair.rejected().length)
                .max()
                .orElseThrow();
        DpoOptions options = TinyRun.options()
                .perDeviceTrainBatchSize(4)
                .gradientAccumulationSteps(2)
                .maxSteps(2)
                .build();
        int expected = on.device().name().equals("cpu") ? 6 : largest * ((6 + largest - 1) / largest);
        assertThat(weights(on, options, 6, true)).isEqualTo(weights(on, options, expected, false));
    }

    private static float[] weights(On on, DpoOptions options, int rows, boolean isGrown) {
        try (Model model = TinyRun.model(on)) {
            PreferenceObjective objective =
                    new PreferenceObjective(model, TinyRun.pairs(8), List.of(), options, 4L * 40 * rows);
            if (isGrown) {
                objective.growLogits();
            }
            return TinyRun.run(model, options.train(), objective).weights();
        }
    }
}
