package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.dpo4j.conformance.On;
import org.dpo4j.conformance.OnEachDType;
import org.dpo4j.data.PairLayout;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.Model;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.report.Metrics;
import org.dpo4j.train.reference.RowHash;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The reference computes log-probs of the rows that a run reads, and of no others. */
class ReferenceRowsTest {
    private static final List<PreferencePair> PAIRS = TinyRun.pairs(60);

    @ParameterizedTest
    @CsvSource({"1525,8,1,1", "1525,8,4,3", "60,7,2,4", "60,7,2,5", "60,7,2,6", "60,100,1,1", "5,1,3,1"})
    void rowsReadAreThoseOfTheMicroBatches(int rows, int batch, int accumulation, int maxSteps) {
        TrainOptions options = TinyRun.options()
                .perDeviceTrainBatchSize(batch)
                .gradientAccumulationSteps(accumulation)
                .maxSteps(maxSteps)
                .build()
                .train();
        Steps steps = TinyRun.steps(rows, options);
        Set<Integer> read = new TreeSet<>();
        for (int step = 0; step < maxSteps; step++) {
            steps.microBatches(step).forEach(micro -> IntStream.of(micro).forEach(read::add));
        }
        assertThat(IntStream.of(steps.rowsRead()).boxed()).containsExactlyElementsOf(read);
    }

    /** A run of one step of 8 rows, and 5 rows of evaluation. */
    @Test
    void aShortRunReadsFewRows() {
        Recorder recorder = new Recorder();
        DpoOptions options = TinyRun.options()
                .perDeviceTrainBatchSize(8)
                .perDeviceEvalBatchSize(4)
                .maxSteps(1)
                .build();
        try (Device device = Devices.cpu(1);
                Model model = TinyRun.model(device, DType.F32);
                PreferenceObjective objective = new PreferenceObjective(model, PAIRS, PAIRS.subList(0, 5), options)) {
            ReferencePlanner.plan(objective, TinyRun.steps(PAIRS.size(), options.train()), options.train())
                    .begin(recorder);
        }
        assertThat(recorder.progress)
                .startsWith("reference log-probs 0/13", "reference log-probs 4/13")
                .endsWith("reference log-probs 13/13");
    }

    @OnEachDType
    void aRowHasTheSameBitsWhateverOtherRowsAreRead(On on) {
        try (Model model = TinyRun.model(on);
                ScoringModel frozen = new ScoringModel(model, CompletionSums.PLAIN)) {
            float[] all =
                    ReferenceLogProbs.compute(frozen, PAIRS, 8, metrics -> {}).sums();
            int[] read = {3, 7, 8, 21, 40, 59};
            ReferencePass.Part part = ReferencePass.Part.unknown(new ReferenceRows<>(
                    ReferenceLogProbs.source(
                            PAIRS, new PairLayout(true, Integer.MAX_VALUE), row -> new RowHash(row, row)),
                    read,
                    true,
                    ReferenceLogProbs.COMPLETIONS,
                    null));
            ReferencePass.compute(frozen, List.of(part), 4, metrics -> {});
            float[] some = part.sums();
            for (int i = 0; i < all.length; i++) {
                int row = i / 2;
                Float expected = IntStream.of(read).anyMatch(one -> one == row) ? all[i] : Float.NaN;
                assertThat(Float.valueOf(some[i])).as("row %d", row).isEqualTo(expected);
            }
        }
    }

    private static List<PreferencePair> withReference(float[] sums) {
        return IntStream.range(0, PAIRS.size())
                .mapToObj(row -> {
                    PreferencePair pair = PAIRS.get(row);
                    return new PreferencePair(
                            pair.row(),
                            pair.prompt(),
                            pair.chosen(),
                            pair.prompt(),
                            pair.rejected(),
                            1,
                            sums[2 * row],
                            sums[2 * row + 1]);
                })
                .toList();
    }

    /** Log-probs that rows state replace those of the model; the same numbers give the same run. */
    @Test
    void givenLogProbsAreUsedInsteadOfComputed() {
        DpoOptions options =
                TinyRun.options().perDeviceTrainBatchSize(8).maxSteps(2).build();
        try (Device device = Devices.cpu(1)) {
            float[] sums;
            List<Metrics> computed;
            try (Model model = TinyRun.model(device, DType.F32)) {
                try (ScoringModel frozen = new ScoringModel(model, CompletionSums.PLAIN)) {
                    sums = ReferenceLogProbs.compute(frozen, PAIRS, 8, metrics -> {})
                            .sums();
                }
                computed = TinyRun.dpo(model, PAIRS, List.of(), options).history();
            }
            try (Model model = TinyRun.model(device, DType.F32)) {
                assertThat(TinyRun.dpo(model, withReference(sums), List.of(), options).history().stream()
                                .map(ReferenceRowsTest::withoutTimes))
                        .containsExactlyElementsOf(computed.stream()
                                .map(ReferenceRowsTest::withoutTimes)
                                .toList());
            }
            float[] shifted = sums.clone();
            for (int i = 0; i < shifted.length; i += 2) {
                shifted[i] -= 1; // each chosen reward is beta larger
            }
            Recorder recorder = new Recorder();
            try (Model model = TinyRun.model(device, DType.F32);
                    PreferenceObjective objective = new PreferenceObjective(
                            model, withReference(shifted), withReference(sums).subList(0, 5), options)) {
                Steps steps = TinyRun.steps(PAIRS.size(), options.train());
                StoredReference reference = (StoredReference)
                        ReferencePlanner.plan(objective, steps, options.train()).begin(recorder);
                int row = steps.rowsRead()[0];
                assertThat(reference.all().get(0).select(new int[] {row}))
                        .containsExactly(shifted[2 * row], shifted[2 * row + 1]);
                assertThat(reference.all().get(1).sums()).isEqualTo(Arrays.copyOf(sums, 10));
            }
            assertThat(recorder.progress).isEmpty();
        }
    }

    @Test
    void logProbsOfSomeRowsOnlyAreRefused() {
        List<PreferencePair> some = new ArrayList<>(PAIRS);
        PreferencePair first = PAIRS.get(0);
        some.set(0, new PreferencePair(1, first.prompt(), first.chosen(), first.prompt(), first.rejected(), 1, -3, -4));
        assertThatThrownBy(() -> ReferenceLogProbs.areGiven(some, new int[] {0, 1, 2}))
                .hasMessage(
                        "row " + PAIRS.get(1).row() + " has no ref_chosen_logps, but 1 of 3 rows have it; give it in"
                                + " all rows, or drop ref_chosen_logps and ref_rejected_logps with column_map");
        assertThat(ReferenceLogProbs.areGiven(some, new int[] {0})).isTrue();
        assertThat(ReferenceLogProbs.areGiven(some, new int[] {1, 2})).isFalse();
    }

    /** A run of two steps has, to the bit, the metrics, gradient norms and evaluations of the first two steps of a longer run. */
    @OnEachDType
    @Tag("large")
    void aShortRunHasTheNumbersOfTheStartOfALongRun(On on) {
        List<Map<String, Double>> shortRun = run(on, 2);
        List<Map<String, Double>> longRun = run(on, 9); // 60 rows are 8 steps: it reads every row
        assertThat(shortRun).hasSize(4).isEqualTo(longRun.subList(0, 4));
    }

    private static List<Map<String, Double>> run(On on, int steps) {
        DpoOptions options = TinyRun.options()
                .perDeviceTrainBatchSize(8)
                .perDeviceEvalBatchSize(4)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .evalDataset(Path.of("unread"))
                .evalSteps(1)
                .maxSteps(steps)
                .build();
        try (Model model = TinyRun.model(on)) {
            return TinyRun.dpo(model, PAIRS, PAIRS.subList(10, 21), options).history().stream()
                    .map(ReferenceRowsTest::withoutTimes)
                    .toList();
        }
    }

    private static Map<String, Double> withoutTimes(Metrics line) {
        Map<String, Double> values = new LinkedHashMap<>(line.values());
        values.keySet().removeIf(name -> name.endsWith("_per_second") || name.startsWith("memory_gib"));
        values.remove("eval_runtime");
        values.put("step", (double) line.step());
        return values;
    }
}
