package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.UnpairedLoss;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.Llama;
import org.junit.jupiter.api.Test;

/** What a run is told to change that does not fit. */
class MemoryCheckTest {
    private static final long PARAMETERS = 8_030_261_248L;

    private static DpoOptions.Builder options() {
        return TinyRun.options()
                .perDeviceTrainBatchSize(4)
                .perDeviceEvalBatchSize(4)
                .gradientAccumulationSteps(2)
                .maxSteps(2);
    }

    private static Model eightBillion(Device device) {
        return Model.planned(MemoryPlanTest.EIGHT_BILLION, device, DType.BF16);
    }

    private static PreferenceObjective objective(Model model, DpoOptions options) {
        return PreferenceObjective.ofPairs(model, MemoryPlanTest.LONG_PAIRS, options, true);
    }

    private static MemoryPlan plan(Objective objective, DpoOptions options) {
        Steps steps = new Steps(options.train(), objective.rowTokens());
        return MemoryPlan.of(
                objective, steps, ReferencePlanner.plan(objective, steps, options.train()), options.train());
    }

    /**
     * By hand, for P parameters: moments 8 P, or 2 P and two f32 for each 256; master weights 4 P; a layer's activations
     * without its input, 94,344 - 8192 bytes a row, for 31 layers and the 2048 rows of a pair, which is a pass on cpu.
     */
    @Test
    void theLargestSavingIsFirstWithItsBytes() {
        try (Device device = Devices.open("cpu", notice -> {});
                Model model = eightBillion(device);
                PreferenceObjective objective = objective(model, options().build())) {
            DpoOptions options = options().build();
            MemoryPlan plan = plan(objective, options);
            MemoryCheck check = MemoryCheck.of(objective, options.train());
            assertThatCode(() -> check.check(plan, plan.bytes())).doesNotThrowAnyException();
            assertRefused(
                    () -> check.check(plan, 135_000_000_000L),
                    "needs " + MemoryPlan.inUnits(plan.bytes()) + " of device memory, but 135.0 GB are available",
                    "master weights 32.1 GB",
                    ", or set bf16_stochastic_round and adam_moments_dtype bfloat16 (saves 64.2 GB, enough), or set optim"
                            + " adamw_8bit (saves 47.9 GB, enough), or set bf16_stochastic_round (saves 32.1 GB, enough), or set"
                            + " gradient_checkpointing (saves 5.5 GB), or lower max_length, or use a smaller model");
            List<MemoryCheck.Saving> savings = check.savings();
            assertThat(savings)
                    .isSortedAccordingTo(
                            Comparator.comparingLong(MemoryCheck.Saving::bytes).reversed());
            assertThat(savings.get(0).change()).isEqualTo("set use_peft and load_in_4bit");
            // 16 P of gradients, master weights and moments, less those of an adapter of less than 20 million weights
            assertThat(savings.get(1).change()).startsWith("set use_peft, to train an adapter");
            assertThat(savings.get(1).bytes()).isBetween(16 * PARAMETERS - 18 * 20_000_000L, 16 * PARAMETERS);
        }
    }

    /** Each is the difference of the plans of two runs. */
    @Test
    void aSavingIsThatOfARunWithTheChange() {
        Map<String, UnaryOperator<DpoOptions.Builder>> changes = Map.of(
                "set gradient_checkpointing", builder -> builder.gradientCheckpointing(true),
                "set optim adamw_8bit", builder -> builder.optim(OptimizerName.ADAMW_8BIT),
                "leave use_ema out", builder -> builder.useEma(false),
                "lower per_device_train_batch_size from 4 to 1", builder -> builder.perDeviceTrainBatchSize(1),
                "leave sync_ref_model out", builder -> builder.syncRefModel(false));
        try (Device device = Devices.open("cpu", notice -> {});
                Model model = Model.planned(Llama.config(300, 32, 64, 2, 2, 1, 64, true), device, DType.F32)) {
            List<PreferencePair> pairs = TinyRun.pairs(11);
            UnaryOperator<DpoOptions.Builder> run =
                    builder -> builder.useEma(true).syncRefModel(true);
            DpoOptions options = run.apply(options()).build();
            try (PreferenceObjective objective = PreferenceObjective.ofPairs(model, pairs, options, true)) {
                Map<String, Long> savings = MemoryCheck.of(objective, options.train()).savings().stream()
                        .collect(Collectors.toMap(MemoryCheck.Saving::change, MemoryCheck.Saving::bytes));
                changes.forEach((text, change) -> {
                    DpoOptions changed = change.apply(run.apply(options())).build();
                    assertThat(savings)
                            .containsEntry(
                                    text,
                                    plan(objective, options).bytes()
                                            - plan(objective, changed).bytes());
                });
                assertThat(savings.keySet())
                        .as("float32 weights have no master weights; sync_ref_model is impossible with use_peft")
                        .noneMatch(text -> text.contains("bf16_stochastic_round") || text.contains("use_peft"));
            }
        }
    }

    /** Before rows are read, nothing is known of the activations. */
    @Test
    void theStateIsCheckedAlone() {
        try (Device device = Devices.open("cpu", notice -> {});
                Model model = eightBillion(device)) {
            TrainOptions options =
                    options().optim(OptimizerName.ADAMW_8BIT).build().train();
            assertRefused(
                    () -> MemoryCheck.ofState(model, options)
                            .check(MemoryPlan.ofState(model, options), 90_000_000_000L),
                    "weights 16.1 GB, master weights 32.1 GB, gradients 32.1 GB, optimizer state 16.3 GB",
                    "or set bf16_stochastic_round (saves 32.1 GB, enough), or use a smaller model");
        }
    }

    /** The loss kto needs two rows. */
    @Test
    void aBatchIsNotLoweredBelowWhatTheLossNeeds() {
        KtoOptions options = KtoOptions.builder()
                .modelNameOrPath(Path.of("unread"))
                .datasetName(Path.of("unread"))
                .outputDir(Path.of("unread"))
                .lossType(UnpairedLoss.Type.KTO)
                .maxSteps(1)
                .build();
        try (Device device = Devices.open("cpu", notice -> {});
                Model model = Model.planned(TinyRun.CONFIG, device, DType.F32);
                Objective objective = new UnpairedObjective(model, TinyRun.judged(11), List.of(), options)) {
            assertThat(MemoryCheck.of(objective, options.train()).savings())
                    .extracting(MemoryCheck.Saving::change)
                    .contains("lower per_device_train_batch_size from 8 to 2");
        }
    }
}
