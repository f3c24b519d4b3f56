package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.assertj.core.api.AbstractLongAssert;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachBf16Device;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.conformance.OnEachDevice;
import org.dpo4j.conformance.StandIn;
import org.dpo4j.conformance.StandIn.Event;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.Model;
import org.dpo4j.model.TrainingModel;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.report.MetricsLog;
import org.junit.jupiter.api.io.TempDir;

/**
 * Between lines of metrics a step only queues work: the host never waits for the device, and nothing is allocated once
 * a batch of this size has been seen. The stand-in for the CUDA runtime counts. Each test opens its own device, because
 * uploads of other tests would already have filled half of the ring.
 */
class StepWaitsTest {
    private static final int STEPS = 8;
    private static final int LOGGING_STEPS = 4;

    @TempDir
    private Path directory;

    /** The counts of all events at the end of each step. */
    private static final class Counts extends Recorder {
        private final List<Map<Event, Long>> counts = new ArrayList<>();

        @Override
        public void progress(String phase, long done, long total) {
            Map<Event, Long> now = new EnumMap<>(Event.class);
            for (Event event : Event.values()) {
                now.put(event, StandIn.counted(event));
            }
            counts.add(now);
        }

        /** An assertion about the number of events in a step. */
        AbstractLongAssert<?> assertThatStep(int step, Event event) {
            long events = counts.get(step).getOrDefault(event, 0L)
                    - counts.get(step - 1).getOrDefault(event, 0L);
            return assertThat(events).as("%s of step %d", event, step);
        }
    }

    private static DpoOptions.Builder options() {
        return TinyRun.options().maxSteps(STEPS).loggingSteps(LOGGING_STEPS);
    }

    private static int[] tokens(Random random, int count) {
        return random.ints(count, 3, TinyRun.CONFIG.architecture().vocabSize()).toArray();
    }

    private Counts runAndAssertOnlyMetricsWait(Model model, Objective objective, TrainOptions options)
            throws IOException {
        Counts counts = new Counts();
        try (objective;
                MetricsLog log = new MetricsLog(directory.resolve("metrics.jsonl"), metrics -> {})) {
            TinyRun.loop(model, options, objective, counts, log).run();
        }
        for (int step = 2; step <= STEPS; step++) {
            counts.assertThatStep(step, Event.ALLOCATIONS).isZero();
            // a line of metrics copies the gradient norms and the sums of the objective, and waits for each copy
            boolean isLogged = step % LOGGING_STEPS == 0;
            counts.assertThatStep(step, Event.WAITS).isBetween(isLogged ? 2L : 0L, isLogged ? 4L : 0L);
        }
        return counts;
    }

    /**
     * From the third step on, sizes have occurred twice, and each step is this number of graph launches and no other launch.
     * Copies and matrix products are in the graphs and are not counted.
     */
    private static void assertOnlyGraphsAreLaunched(Counts counts, long graphs) {
        for (int step = 3; step <= STEPS; step++) {
            counts.assertThatStep(step, Event.LAUNCHES).isZero();
            counts.assertThatStep(step, Event.CAPTURES).isZero();
            counts.assertThatStep(step, Event.GRAPH_LAUNCHES).isEqualTo(graphs);
        }
    }

    /** Every step reads the same pairs in another order. */
    @OnEachDType
    void stepsOnPairs(On on) throws IOException {
        if (!on.name().equals("emulated")) {
            return;
        }
        try (Device device = Devices.cuda(0);
                Model model = TinyRun.model(device, on.dtype())) {
            DpoOptions options = options().build();
            List<PreferencePair> pairs = TinyRun.pairs(8);
            Counts counts = runAndAssertOnlyMetricsWait(
                    model, new PreferenceObjective(model, pairs, List.of(), options), options.train());
            assertOnlyGraphsAreLaunched(counts, 2 + 1 + 1); // forward, backward, the only chunk, and the update
        }
    }

    /** Without graphs: the kernels of a step have the tensor maps of the step before, and do not ask again how many blocks are resident. */
    @OnEachBf16Device
    void stepsThatLaunchKernelsAskTheDriverOnce(On on) throws IOException {
        if (!on.name().equals("emulated")) {
            return;
        }
        ModelConfig config =
                Llama.config(37, 128, 24, 2, 2, 1, 64, true); // Hopper has kernels of its own for heads of 64
        try (Device device = Devices.cuda(0);
                Model model = Model.create(config, device, on.dtype(), 3)) {
            DpoOptions options = options().cudaGraphs(false).build();
            Counts counts = runAndAssertOnlyMetricsWait(
                    model, new PreferenceObjective(model, TinyRun.pairs(8), List.of(), options), options.train());
            for (int step = 3; step <= STEPS; step++) {
                counts.assertThatStep(step, Event.LAUNCHES).isPositive();
                counts.assertThatStep(step, Event.TENSOR_MAPS).isZero();
                counts.assertThatStep(step, Event.OCCUPANCIES).isZero();
            }
        }
    }

    /** Pairs of one length, in micro-batches of two loss chunks each. */
    @OnEachDType
    void stepsOfSeveralMicroBatchesAndChunks(On on) throws IOException {
        if (!on.name().equals("emulated")) {
            return;
        }
        Random random = new Random(1);
        List<PreferencePair> pairs = IntStream.rangeClosed(1, 16)
                .mapToObj(row -> new PreferencePair(row, tokens(random, 3), tokens(random, 4), tokens(random, 5)))
                .toList();
        try (Device device = Devices.cuda(0);
                Model model = TinyRun.model(device, on.dtype())) {
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
            Counts counts = runAndAssertOnlyMetricsWait(
                    model, new PreferenceObjective(model, pairs, List.of(), options, logitsBytes), options.train());
            assertOnlyGraphsAreLaunched(counts, 4 * (2 + 2) + 1);
        }
    }

    /** 160 micro-batches between two lines of metrics. What is uploaded does not depend on the dtype. */
    @OnEachDevice
    void stepsOnSequences(On on) throws IOException {
        if (!on.name().equals("emulated")) {
            return;
        }
        Random random = new Random(2);
        List<Sequence> sequences = IntStream.rangeClosed(1, 80)
                .mapToObj(row -> new Sequence(row, tokens(random, 2), tokens(random, 3)))
                .toList();
        try (Device device = Devices.cuda(0);
                Model model = TinyRun.model(device, on.dtype())) {
            TrainOptions options = options()
                    .perDeviceTrainBatchSize(2)
                    .gradientAccumulationSteps(40)
                    .build()
                    .train();
            Counts counts = runAndAssertOnlyMetricsWait(
                    model, new SequenceObjective(model, sequences, List.of(), options), options);
            assertOnlyGraphsAreLaunched(counts, 40 * (2 + 1) + 1);
        }
    }
}
