package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.model.Model;
import org.dpo4j.model.family.Families;
import org.dpo4j.model.family.ModelConfig;

/** Steps one at a time, beside the loop of a run. */
class DpoStepsTest {
    private static final int STEPS = 6;

    private static DpoOptions options() {
        return TinyRun.options()
                .maxSteps(STEPS)
                .perDeviceTrainBatchSize(3)
                .gradientAccumulationSteps(2)
                .build();
    }

    @OnEachDType
    void theBitsAreThoseOfARun(On on) {
        TinyRun run = TinyRun.dpo(on, TinyRun.pairs(8), options());
        try (Model model = TinyRun.model(on);
                DpoSteps steps = new DpoSteps(model, TinyRun.pairs(8), options(), true)) {
            for (int step = 0; step < STEPS; step++) {
                steps.step();
                for (Map.Entry<String, Double> metric : steps.metrics().entrySet()) {
                    assertThat(metric.getValue())
                            .as("%s of step %d", metric.getKey(), step)
                            .isEqualTo(run.value(step, metric.getKey()));
                }
            }
            assertThat(TinyRun.weights(model)).isEqualTo(run.weights());
            assertRefused(steps::step, "all 6 steps", "max_steps");
        }
    }

    /** Policy and reference use the same layout, so the rewards of the first step are exactly 0 in this layout too. */
    @OnEachDType
    void rewardsAreZeroIfEachCompletionHasItsOwnPrompt(On on) {
        try (Model model = TinyRun.model(on);
                DpoSteps steps = new DpoSteps(model, TinyRun.pairs(8), options(), false)) {
            steps.step();
            Map<String, Double> metrics = steps.metrics();
            assertThat(metrics.get("rewards/chosen")).isZero();
            assertThat(metrics.get("rewards/rejected")).isZero();
            assertThat(metrics.get("loss")).isCloseTo(Math.log(2), within(1e-7));
        }
    }

    /**
     * A window hides the same tokens in the policy and in the reference, whether a prompt is shared or not: the loss of
     * the first step is ln 2, as fp32 has it.
     */
    @OnEachDType
    void theFirstLossWithAWindowIsLn2(On on) {
        ObjectNode json = TinyRun.CONFIG.json().deepCopy().put("model_type", "mistral");
        json.put("sliding_window", 3).remove("architectures");
        ModelConfig window = Families.read(json, "window");
        for (boolean isPrefixShared : new boolean[] {true, false}) {
            Map<String, Double> metrics = firstStep(on, window, isPrefixShared);
            assertThat(metrics.get("loss")).isEqualTo((float) Math.log(2));
            assertThat(metrics.get("rewards/chosen")).isZero();
            assertThat(metrics.get("rewards/rejected")).isZero();
            Map<String, Double> whole = firstStep(on, TinyRun.CONFIG, isPrefixShared);
            assertThat(metrics.get("logps/chosen")).isNotEqualTo(whole.get("logps/chosen"));
        }
    }

    private static Map<String, Double> firstStep(On on, ModelConfig config, boolean isPrefixShared) {
        try (Model model = Model.create(config, on.device(), on.dtype(), 3);
                DpoSteps steps = new DpoSteps(model, TinyRun.pairs(8), options(), isPrefixShared)) {
            steps.step();
            return steps.metrics();
        }
    }
}
