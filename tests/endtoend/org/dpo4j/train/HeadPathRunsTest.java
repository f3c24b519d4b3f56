package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachCudaDevice;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.internal.CudaDevice;
import org.dpo4j.kernels.internal.CudaSettings;
import org.dpo4j.model.LoraConfig;
import org.dpo4j.model.Model;

/** Runs on the head's path of exponentials, beside runs of a device whose kernel is off and which stores logits. */
class HeadPathRunsTest {
    private static final int STEPS = 3;
    private static final Pattern NOT_COMPARED =
            Pattern.compile(".*_per_second|memory_gib.*|rewards/accuracies|lengths/margin_correlation");

    private static void assumeHopper(On on) {
        HeadPlan plan = HeadPlan.on(on.device(), HeadPlan.Use.TRAINING, 37, 16, DType.BF16);
        assumeTrue(plan.path() == HeadPlan.Path.EXPONENTIALS, "not a Hopper GPU");
    }

    private static DpoOptions options() {
        return TinyRun.options()
                .maxSteps(STEPS)
                .perDeviceTrainBatchSize(4)
                .learningRate(1e-3)
                .build();
    }

    private static TinyRun run(Device device, boolean hasAdapter, Function<Model, TinyRun> train) {
        try (Model model = TinyRun.model(device, DType.BF16)) {
            if (hasAdapter) {
                model.addAdapter(new LoraConfig(4, 8, List.of("q_proj", "down_proj")), null, 1);
            }
            return train.apply(model);
        }
    }

    /**
     * The hidden states of the first step have the same bits on both paths. Its log-probs, of sums of 16 products in two orders, are within
     * 1e-5 of each other, and so are their means. The statistics too. A gradient's elements are rounded to bf16 at other places, so its
     * norm may differ by 2^-7. After a step of 1e-3, weights of about 0.02 may be rounded to another bf16: a log-prob of 4 by 1e-2. Margins
     * are of that size too, so their order and correlation are not compared.
     */
    private static void assertSame(On on, boolean hasAdapter, Function<Model, TinyRun> train) {
        try (Device logits = CudaDevice.open(0, new CudaSettings("lm_head_exponentials_sm90a", 0))) {
            TinyRun stored = run(logits, hasAdapter, train);
            TinyRun run = run(on.device(), hasAdapter, train);
            for (int line = 0; line < STEPS; line++) {
                double bound = line == 0 ? 1e-5 : 1e-2;
                Map<String, Double> values = run.history().get(line).values();
                for (Map.Entry<String, Double> each :
                        stored.history().get(line).values().entrySet()) {
                    String name = each.getKey();
                    if (!NOT_COMPARED.matcher(name).matches()) {
                        double norms = name.equals("grad_norm") ? 0x1p-7 : bound;
                        double value = each.getValue();
                        assertThat(values.get(name))
                                .as("%s of step %d", name, line + 1)
                                .isCloseTo(value, within(norms * Math.max(1, Math.abs(value))));
                    }
                }
            }
        }
    }

    /** Rewards of the first step are exactly 0, so the loss is the f32 next to ln 2. */
    private static TinyRun dpo(Model model) {
        TinyRun run = TinyRun.dpo(model, TinyRun.pairs(8), List.of(), options());
        assertThat(run.value(0, "loss")).isEqualTo((float) Math.log(2));
        assertThat(run.value(0, "rewards/chosen")).isZero();
        assertThat(run.value(0, "rewards/rejected")).isZero();
        return run;
    }

    @OnEachCudaDevice
    void dpo(On on) {
        assumeHopper(on);
        assertSame(on, false, HeadPathRunsTest::dpo);
        assertSame(on, true, HeadPathRunsTest::dpo);
    }

    @OnEachCudaDevice
    void kto(On on) {
        assumeHopper(on);
        KtoOptions options = KtoOptions.builder()
                .modelNameOrPath(options().train().model().directory())
                .datasetName(options().train().model().directory())
                .outputDir(options().train().model().directory())
                .maxSteps(STEPS)
                .perDeviceTrainBatchSize(4)
                .learningRate(1e-3)
                .loggingSteps(1)
                .seed(42)
                .build();
        assertSame(on, false, model -> TinyRun.kto(model, TinyRun.judged(8), List.of(), options));
        assertSame(on, true, model -> TinyRun.kto(model, TinyRun.judged(8), List.of(), options));
    }

    @OnEachCudaDevice
    void sft(On on) {
        assumeHopper(on);
        assertSame(
                on,
                false,
                model -> TinyRun.sft(model, TinyRun.sequences(8), options().train(), 1 << 20));
        assertSame(
                on,
                true,
                model -> TinyRun.sft(model, TinyRun.sequences(8), options().train(), 1 << 20));
    }

    /** The header names the kernel, and the plan has memory for more rows. */
    @OnEachCudaDevice
    void theHeaderNamesTheKernel(On on) {
        assumeHopper(on);
        try (Model model = TinyRun.model(on.device(), DType.BF16);
                Objective objective = new PreferenceObjective(model, TinyRun.pairs(8), List.of(), options())) {
            assertThat(objective.facts().get("head")).contains("lm_head_exponentials_sm90a");
        }
    }
}
