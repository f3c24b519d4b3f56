package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.model.Model;

/** The step of a run, its counters, and the reference of its rewards. */
class RunStateTest {
    private static final int TRAINED = 3;

    private static Steps steps(TrainOptions options, int rows) {
        return new Steps(
                options, new int[rows], epoch -> IntStream.range(0, rows).toArray());
    }

    /** One pair, so that every step reads the same rows: metrics depend on weights and reference alone. */
    private static DpoOptions onePair() {
        return TinyRun.options()
                .perDeviceTrainBatchSize(1)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .maxSteps(TRAINED + 1)
                .build();
    }

    private static Map<String, Double> next(RunState state) {
        state.accumulate();
        state.update();
        return state.metrics();
    }

    /**
     * Weights of three steps with the reference of the start have, to the bit, the metrics of the fourth step of a run that
     * goes on. With the log-probs of these weights as the reference all rewards would be exactly 0.
     */
    @OnEachDType
    void rewardsOfTrainedWeightsUseTheReferenceOfTheStart(On on) {
        DpoOptions options = onePair();
        TrainOptions train = options.train();
        List<PreferencePair> pair = TinyRun.pairs(1);
        List<Map<String, Double>> whole = new ArrayList<>();
        try (Model model = TinyRun.model(on);
                Objective objective = new PreferenceObjective(model, pair, List.of(), options);
                RunState state = RunState.begin(objective, steps(train, 1), train, metrics -> {})) {
            while (!state.isOver()) {
                whole.add(next(state));
            }
        }
        try (Model model = TinyRun.model(on);
                Objective objective = new PreferenceObjective(model, pair, List.of(), options)) {
            Reference reference;
            try (RunState state = RunState.begin(objective, steps(train, 1), train, metrics -> {})) {
                for (int step = 0; step < TRAINED; step++) {
                    next(state);
                }
                reference = state.reference();
            }
            try (RunState state = new RunState(objective, steps(train, 1), train, reference, metrics -> {})) {
                assertThat(next(state)).isEqualTo(whole.get(TRAINED));
            }
        }
        assertThat(whole.get(0)).containsEntry("rewards/chosen", 0.0);
        assertThat(whole.get(TRAINED).get("rewards/chosen")).isNotZero();
    }

    /** 8 pairs in micro-batches of 3, two a step: 6 rows, then 2, then 6 of the second epoch. */
    @OnEachDType
    void stepsRowsAndTokensAreCounted(On on) {
        DpoOptions options = TinyRun.options()
                .perDeviceTrainBatchSize(3)
                .gradientAccumulationSteps(2)
                .maxSteps(3)
                .build();
        TrainOptions train = options.train();
        List<PreferencePair> pairs = TinyRun.pairs(8);
        try (Model model = TinyRun.model(on);
                Objective objective = new PreferenceObjective(model, pairs, List.of(), options);
                RunState state = RunState.begin(objective, steps(train, 8), train, metrics -> {})) {
            long tokens = 0;
            int rows = 0;
            for (int[] step : new int[][] {{0, 6}, {6, 8}, {0, 6}}) {
                for (PreferencePair pair : pairs.subList(step[0], step[1])) {
                    tokens += 2L * pair.prompt().length + pair.chosen().length + pair.rejected().length;
                    rows++;
                }
                next(state);
                assertThat(state.rows()).isEqualTo(rows);
                assertThat(state.tokens()).isEqualTo(tokens);
            }
            assertThat(state.step()).isEqualTo(3);
            assertThat(state.epoch()).isEqualTo(1.5);
            assertThat(state.isOver()).isTrue();
        }
    }
}
