package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.StandIn;
import org.dpo4j.conformance.StandIn.Event;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.data.Shuffle;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.Model;
import org.dpo4j.model.TrainingModel;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.MetricsLog;
import org.dpo4j.report.RunListener;
import org.junit.jupiter.api.io.TempDir;

/**
 * Between lines of metrics a step only queues work: the host never waits for the device, and nothing is allocated once
 * a batch as large has been seen. Counted by the stand-in for the CUDA runtime, on a device of its own: uploads of
 * other tests would have filled half of the ring.
 */
class StepWaitsTest {
    private static final int STEPS = 12;
    private static final int LOGGING_STEPS = 4;

    @TempDir
    private Path directory;

    /** What had been counted by the end of each step. */
    private static final class Counts implements RunListener {
        final List<Long> waits = new ArrayList<>();
        final List<Long> allocations = new ArrayList<>();
        final List<Long> launches = new ArrayList<>();
        final List<Long> captures = new ArrayList<>();
        final List<Long> graphs = new ArrayList<>();

        @Override
        public void metrics(Metrics metrics) {}

        @Override
        public void progress(String phase, long done, long total) {
            waits.add(StandIn.counted(Event.WAITS));
            allocations.add(StandIn.counted(Event.ALLOCATIONS));
            launches.add(StandIn.counted(Event.LAUNCHES));
            captures.add(StandIn.counted(Event.CAPTURES));
            graphs.add(StandIn.counted(Event.GRAPH_LAUNCHES));
        }

        static long of(List<Long> counts, int step) {
            return counts.get(step) - counts.get(step - 1);
        }
    }

    private static DpoOptions.Builder options() {
        return TinyRun.options().maxSteps(STEPS).loggingSteps(LOGGING_STEPS);
    }

    private static int[] tokens(Random random, int count) {
        return random.ints(count, 3, TinyRun.CONFIG.architecture().vocabSize()).toArray();
    }

    private Counts waitsForMetricsAlone(Model model, Objective objective, TrainOptions options) throws IOException {
        Counts counts = new Counts();
        try (objective;
                MetricsLog log = new MetricsLog(directory.resolve("metrics.jsonl"), metrics -> {})) {
            int rows = objective.rows();
            Steps steps = new Steps(
                    rows, options, epoch -> Shuffle.order(rows, options.seeds().seed(), epoch));
            RunState state = RunState.begin(model.parameters(), objective, steps, options, metrics -> {});
            new TrainLoop(state, options, counts, log).run();
        }
        for (int step = 2; step <= STEPS; step++) {
            assertThat(Counts.of(counts.allocations, step))
                    .as("allocations of step %d", step)
                    .isZero();
            if (step % LOGGING_STEPS != 0) {
                assertThat(Counts.of(counts.waits, step))
                        .as("waits of step %d", step)
                        .isZero();
            } else {
                // the gradient norms, and the sums of the objective: each a copy and a wait
                assertThat(Counts.of(counts.waits, step))
                        .as("waits of step %d", step)
                        .isBetween(2L, 4L);
            }
        }
        return counts;
    }

    /**
     * From {@code steady} on, steps whose sizes have come before have all launches in graphs, so many a step; copies and
     * matrix products are in them too, and are not counted by themselves.
     */
    private static void launchesGraphsAlone(Counts counts, int steady, long graphs) {
        for (int step = steady; step <= STEPS; step++) {
            assertThat(Counts.of(counts.launches, step))
                    .as("launches of step %d that are in no graph", step)
                    .isZero();
            assertThat(Counts.of(counts.captures, step))
                    .as("captures of step %d", step)
                    .isZero();
            assertThat(Counts.of(counts.graphs, step))
                    .as("graphs launched in step %d", step)
                    .isEqualTo(graphs);
        }
    }

    /** Every step reads the same pairs in another order. */
    @OnEachDType
    void stepsOnPairs(On on) throws IOException {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (Device device = Devices.cuda(0);
                Model model = Model.create(TinyRun.CONFIG, device, on.dtype(), 3)) {
            DpoOptions options = options().build();
            List<PreferencePair> pairs = TinyRun.pairs(8);
            Counts counts = waitsForMetricsAlone(
                    model, new PreferenceObjective(model, pairs, List.of(), options), options.train());
            launchesGraphsAlone(counts, 3, 2 + 1 + 1); // forward, back, the only part, and the update
        }
    }

    /** Pairs of one length, in micro-batches that the head takes in two parts each. */
    @OnEachDType
    void stepsOfSeveralMicroBatchesAndParts(On on) throws IOException {
        if (!on.name().equals("emulated")) {
            return;
        }
        Random random = new Random(1);
        List<PreferencePair> pairs = IntStream.rangeClosed(1, 16)
                .mapToObj(row -> new PreferencePair(row, tokens(random, 3), tokens(random, 4), tokens(random, 5)))
                .toList();
        try (Device device = Devices.cuda(0);
                Model model = Model.create(TinyRun.CONFIG, device, on.dtype(), 3)) {
            DpoOptions options = options()
                    .perDeviceTrainBatchSize(4)
                    .gradientAccumulationSteps(4)
                    .build();
            int stride = 40;
            long logitsBytes = 4L * stride * 18;
            try (TrainingModel checked =
                    new TrainingModel(model, new TrainingModel.Options(CompletionSums.PLAIN, logitsBytes, false))) {
                assertThat(checked.logitsRows()).isEqualTo(18);
            }
            Counts counts = waitsForMetricsAlone(
                    model, new PreferenceObjective(model, pairs, List.of(), options, logitsBytes), options.train());
            launchesGraphsAlone(counts, 3, 4 * (2 + 2) + 1);
        }
    }

    /** 160 micro-batches between two lines of metrics. */
    @OnEachDType
    void stepsOnSequences(On on) throws IOException {
        if (!on.name().equals("emulated")) {
            return;
        }
        Random random = new Random(2);
        List<Sequence> sequences = IntStream.rangeClosed(1, 80)
                .mapToObj(row -> new Sequence(row, tokens(random, 2), tokens(random, 3)))
                .toList();
        try (Device device = Devices.cuda(0);
                Model model = Model.create(TinyRun.CONFIG, device, on.dtype(), 3)) {
            TrainOptions options = options()
                    .perDeviceTrainBatchSize(2)
                    .gradientAccumulationSteps(40)
                    .build()
                    .train();
            Counts counts =
                    waitsForMetricsAlone(model, new SequenceObjective(model, sequences, List.of(), options), options);
            launchesGraphsAlone(counts, 3, 40 * (2 + 1) + 1);
        }
    }
}
