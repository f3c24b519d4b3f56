package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.model.Model;
import org.dpo4j.report.MetricsLog;
import org.junit.jupiter.api.io.TempDir;

/** The step from which the weights are once a gradient was not finite. */
class LastFiniteStepTest {
    @TempDir
    private Path directory;

    private static DpoOptions.Builder options() {
        return TinyRun.options()
                .perDeviceTrainBatchSize(3)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .maxNonfiniteSteps(0);
    }

    /** Trains on an objective until it throws; {@link TrainLoop#trained} of the loop. */
    private int trained(Model model, Objective objective, TrainOptions options, String message) {
        try (objective;
                MetricsLog log = new MetricsLog(directory.resolve("metrics.jsonl"), metrics -> {})) {
            TrainLoop loop = TinyRun.loop(model, options, objective, metrics -> {}, log);
            assertRefused(loop::run, message);
            return loop.trained();
        }
    }

    private static Objective poisoned(Model model, DpoOptions options, Set<Integer> steps) {
        return PoisonedObjective.create(
                new PreferenceObjective(model, TinyRun.pairs(8), List.of(), options), model, steps);
    }

    private static float[] weightsAfter(On on, int steps) {
        DpoOptions options = options().maxSteps(steps).loggingSteps(steps).build();
        return TinyRun.dpo(on, TinyRun.pairs(8), options).weights();
    }

    /** Every gradient from the fourth step on is not finite: the weights are those of the third, whenever norms are read. */
    @OnEachDType
    void itIsTheStepBeforeAllThatAreNotFinite(On on) {
        float[] expected = weightsAfter(on, 3);
        for (int loggingSteps : new int[] {1, 2, 5, 100}) {
            DpoOptions options =
                    options().maxSteps(8).loggingSteps(loggingSteps).build();
            try (Model model = TinyRun.model(on)) {
                Objective objective = poisoned(model, options, Set.of(4, 5, 6, 7, 8));
                assertThat(trained(model, objective, options.train(), "the gradient of step 4 is not finite"))
                        .isEqualTo(3);
                assertThat(TinyRun.weights(model)).isEqualTo(expected);
            }
        }
    }

    /**
     * Only the gradient of the fourth step is not finite. The cpu sees it at once. On another device the host does not
     * wait for it, later steps change the weights, and the weights are those of the last.
     */
    @OnEachDType
    void itIsTheLastStepThatChangedTheWeights(On on) {
        boolean isSeenAtOnce = on.device().name().equals("cpu");
        DpoOptions options = options().maxSteps(12).loggingSteps(6).build();
        try (Model model = TinyRun.model(on)) {
            int trained = trained(
                    model,
                    poisoned(model, options, Set.of(4)),
                    options.train(),
                    "the gradient of step 4 is not finite, so it was not applied and training stops"
                            + (isSeenAtOnce ? ";" : " after step 6;"));
            assertThat(trained).isEqualTo(isSeenAtOnce ? 3 : 6);
            if (isSeenAtOnce) {
                assertThat(TinyRun.weights(model)).isEqualTo(weightsAfter(on, 3));
            }
        }
    }
}
