package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.AbstractList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;
import org.dpo4j.data.UnpairedCompletion;
import org.dpo4j.data.store.IndexedRows;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.Model;
import org.junit.jupiter.api.Test;

/**
 * At its start a run asks the index of a store about every row, but reads only the rows of batches whose memory it computes.
 * What it finds is the same as without an index.
 */
class StartReadsTest {
    private static final int COUNT = 400;
    private static final int BATCH = 4;

    /** Rows with an index. */
    private static final class Counted<T> extends AbstractList<T> implements IndexedRows {
        private final List<T> rows;
        private final Function<T, int[]> numbers;
        private int read;

        Counted(List<T> rows, Function<T, int[]> numbers) {
            this.rows = rows;
            this.numbers = numbers;
        }

        @Override
        public int size() {
            return rows.size();
        }

        @Override
        public int[] numbers(int row) {
            return numbers.apply(rows.get(row));
        }

        @Override
        public T get(int row) {
            read++;
            return rows.get(row);
        }
    }

    private interface Start<T> {
        RowObjective<T> begin(Model model, List<T> rows);
    }

    /** {@code alike}: rows of one size, of which one batch of each pass is packed. */
    private static <T> void assertStart(
            TrainOptions options, List<T> alike, List<T> different, Function<T, int[]> numbers, Start<T> start) {
        try (Device device = Devices.cpu(1);
                Model model = TinyRun.model(device, DType.F32)) {
            Counted<T> few = new Counted<>(alike, numbers);
            facts(model, options, few, start);
            assertThat(few.read).as("rows read of %d", COUNT).isLessThanOrEqualTo(8 * BATCH);
            assertThat(facts(model, options, new Counted<>(different, numbers), start))
                    .isEqualTo(facts(model, options, different, start));
        }
    }

    /** What a run computes of all rows before its first pass. */
    private static <T> List<Object> facts(Model model, TrainOptions options, List<T> rows, Start<T> start) {
        try (RowObjective<T> objective = start.begin(model, rows)) {
            int[] tokens = objective.rowTokens();
            Steps steps = new Steps(options, tokens);
            return List.of(
                    IntStream.of(tokens).boxed().toList(),
                    objective.facts(),
                    objective.passes(
                            steps,
                            ReferencePlanner.plan(objective, steps, options).passes(),
                            options.step()),
                    objective.tokens(IntStream.range(0, rows.size()).toArray()));
        }
    }

    @Test
    void pairs() {
        DpoOptions options = TinyRun.options()
                .perDeviceTrainBatchSize(BATCH)
                .perDeviceEvalBatchSize(BATCH)
                .build();
        List<PreferencePair> alike = IntStream.range(0, COUNT)
                .mapToObj(row -> new PreferencePair(
                        row, new int[] {1, 2}, new int[] {3}, new int[] {2}, new int[] {4, 5}, 0.5f, -1, -2))
                .toList();
        assertStart(
                options.train(),
                alike,
                TinyRun.pairs(30),
                pair -> pair.outline().numbers(),
                (model, rows) -> {
                    PreferenceObjective objective = new PreferenceObjective(model, rows, List.of(), options);
                    Steps steps = new Steps(options.train(), objective.rowTokens());
                    if (rows.size() == COUNT) {
                        assertThat(objective
                                        .referenceRows(steps, Integer.MAX_VALUE)
                                        .get(0)
                                        .given())
                                .startsWith(-1, -2, -1, -2);
                    }
                    return objective;
                });
    }

    @Test
    void sequences() {
        TrainOptions options =
                TinyRun.options().perDeviceTrainBatchSize(BATCH).build().train();
        List<Sequence> alike = IntStream.range(0, COUNT)
                .mapToObj(row -> new Sequence(row, new int[] {1, 2}, new int[] {3, 4}, new boolean[] {true, false}))
                .toList();
        assertStart(
                options,
                alike,
                TinyRun.sequences(30),
                sequence -> sequence.outline().numbers(),
                (model, rows) -> new SequenceObjective(model, rows, List.of(), options));
    }

    @Test
    void judged() {
        Path unread = Path.of("/unread"); // absolute, because a relative path may be a name of the hub
        KtoOptions options = KtoOptions.builder()
                .modelNameOrPath(unread)
                .datasetName(unread)
                .outputDir(unread)
                .perDeviceTrainBatchSize(BATCH)
                .perDeviceEvalBatchSize(BATCH)
                .build();
        List<UnpairedCompletion> alike = IntStream.range(0, COUNT)
                .mapToObj(row -> new UnpairedCompletion(row, new int[] {1, 2}, new int[] {3}, new int[] {4}, row > 7))
                .toList();
        assertStart(
                options.train(), alike, TinyRun.judged(30), row -> row.outline().numbers(), (model, rows) -> {
                    UnpairedObjective objective = new UnpairedObjective(model, rows, List.of(), options);
                    objective.begin(Reference.NONE, metrics -> {});
                    return objective;
                });
    }
}
