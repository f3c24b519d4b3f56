package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.StandIn;
import org.dpo4j.conformance.StandIn.Event;
import org.dpo4j.model.Model;

/** Runs with passes as CUDA graphs, and without. */
class StepGraphsTest {
    private static TinyRun run(On on, boolean graphs) {
        DpoOptions options = TinyRun.options()
                .cudaGraphs(graphs)
                .maxSteps(12)
                .perDeviceTrainBatchSize(3)
                .gradientAccumulationSteps(2)
                .build();
        return TinyRun.dpo(on.device(), on.dtype(), TinyRun.pairs(8), options);
    }

    @OnEachDType
    void theBitsAreTheSame(On on) {
        if (!on.device().captures()) {
            return;
        }
        TinyRun with = run(on, true);
        TinyRun without = run(on, false);
        assertThat(with.weights()).containsExactly(without.weights());
        for (int line = 0; line < with.history().size(); line++) {
            for (String name : List.of("loss", "grad_norm", "rewards/margins", "logps/chosen")) {
                assertThat(with.value(line, name))
                        .as("%s of line %d", name, line)
                        .isEqualTo(without.value(line, name));
            }
        }
    }

    @OnEachDType
    void theOptionTurnsThemOff(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        assertThat(StandIn.count(Event.GRAPH_LAUNCHES, () -> run(on, true))).isPositive();
        assertThat(StandIn.count(Event.GRAPH_LAUNCHES, () -> run(on, false))).isZero();
        assertThat(StandIn.count(Event.LAUNCHES, () -> run(on, true)))
                .isLessThan(StandIn.count(Event.LAUNCHES, () -> run(on, false)));
    }

    /** They are on where nothing is said. */
    @OnEachDType
    void sequencesHaveThemToo(On on) {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (Model model = Model.create(TinyRun.CONFIG, on.device(), on.dtype(), 3)) {
            TrainOptions options = TinyRun.options()
                    .maxSteps(4)
                    .perDeviceTrainBatchSize(8)
                    .build()
                    .train();
            long graphs = StandIn.count(
                    Event.GRAPH_LAUNCHES, () -> TinyRun.sft(model, TinyRun.sequences(8), options, 1 << 20));
            assertThat(graphs).isEqualTo(2 * 3); // every step reads all sequences: all steps but the first
        }
    }
}
