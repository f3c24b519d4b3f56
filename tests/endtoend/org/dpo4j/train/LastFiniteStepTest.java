package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.data.Shuffle;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.report.MetricsLog;
import org.junit.jupiter.api.io.TempDir;

/** Which step the weights are from once a gradient, or a loss, was not finite. */
class LastFiniteStepTest {
    @TempDir
    private Path directory;

    private static DpoOptions.Builder options() {
        return TinyRun.options().perDeviceTrainBatchSize(3).lrSchedulerType(LrSchedulerType.CONSTANT);
    }

    /** Trains on an objective until it throws; {@link TrainLoop#trained} of the loop. */
    private int trained(Model model, Objective objective, TrainOptions options, String message) {
        try (objective;
                MetricsLog log = new MetricsLog(directory.resolve("metrics.jsonl"), metrics -> {})) {
            int rows = objective.rows();
            Steps steps = new Steps(
                    rows, options, epoch -> Shuffle.order(rows, options.seeds().seed(), epoch));
            RunState state = RunState.begin(model.parameters(), objective, steps, options, metrics -> {});
            TrainLoop loop = new TrainLoop(state, options, metrics -> {}, log);
            assertThatThrownBy(loop::run).isInstanceOf(Dpo4jException.class).hasMessageContaining(message);
            return loop.trained();
        }
    }

    private static Objective poisoned(Model model, DpoOptions options, Set<Integer> steps, double loss) {
        return new PoisonedObjective(
                new PreferenceObjective(model, TinyRun.pairs(8), List.of(), options), model, steps, loss);
    }

    private static float[] weightsAfter(On on, int steps) {
        try (Model model = Model.create(TinyRun.CONFIG, on.device(), on.dtype(), 3)) {
            return TinyRun.dpo(
                            model,
                            TinyRun.pairs(8),
                            List.of(),
                            options().maxSteps(steps).loggingSteps(steps).build())
                    .weights();
        }
    }

    /** All steps from the fourth on: the weights are those of the third, whenever norms are read. */
    @OnEachDType
    void isTheStepBeforeThoseThatAreNot(On on) {
        for (int loggingSteps : new int[] {1, 2, 5, 100}) {
            DpoOptions options =
                    options().maxSteps(12).loggingSteps(loggingSteps).build();
            try (Model model = Model.create(TinyRun.CONFIG, on.device(), on.dtype(), 3)) {
                Objective objective = poisoned(model, options, Set.of(4, 5, 6, 7, 8, 9, 10, 11, 12), 0);
                assertThat(trained(model, objective, options.train(), "the gradient of step 4 is not finite"))
                        .isEqualTo(3);
                assertThat(TinyRun.weights(model)).isEqualTo(weightsAfter(on, 3));
            }
        }
    }

    /**
     * The fourth alone: the cpu sees it at once; elsewhere the host does not wait for it, and steps follow that change
     * the weights, which are those of the last.
     */
    @OnEachDType
    void isTheLastThatChangedTheWeights(On on) {
        boolean isSeenAtOnce = on.device().name().equals("cpu");
        DpoOptions options = options().maxSteps(12).loggingSteps(6).build();
        try (Model model = Model.create(TinyRun.CONFIG, on.device(), on.dtype(), 3)) {
            int trained = trained(
                    model,
                    poisoned(model, options, Set.of(4), 0),
                    options.train(),
                    "the gradient of step 4 is not finite, so it was not applied and training stops"
                            + (isSeenAtOnce ? ";" : " after step 6;"));
            assertThat(trained).isEqualTo(isSeenAtOnce ? 3 : 6);
            if (isSeenAtOnce) {
                assertThat(TinyRun.weights(model)).isEqualTo(weightsAfter(on, 3));
            }
        }
    }

    /** Its gradients were finite, and so are the weights that they made. */
    @OnEachDType
    void aLossThatIsNotFiniteEndsTheRunWithTheWeightsOfItsLine(On on) {
        for (double loss : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
            DpoOptions options = options().maxSteps(12).loggingSteps(5).build();
            try (Model model = Model.create(TinyRun.CONFIG, on.device(), on.dtype(), 3)) {
                assertThat(trained(
                                model,
                                poisoned(model, options, Set.of(), loss),
                                options.train(),
                                "the loss of the steps up to 5 is " + loss))
                        .isEqualTo(5);
                assertThat(TinyRun.weights(model)).isEqualTo(weightsAfter(on, 5));
            }
        }
    }
}
