package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.dpo4j.data.Shuffle;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;

/** The order of rows by {@code train_sampling_strategy}. */
class RowOrderTest {

    private static int[] numbers(JsonNode list) {
        return StreamSupport.stream(list.spliterator(), false)
                .mapToInt(JsonNode::intValue)
                .toArray();
    }

    /** Expected: get_length_grouped_indices of transformers for the same shuffled rows (tests/golden/length_groups.py). */
    @Test
    void groupsAreThoseOfTransformers() throws IOException {
        JsonNode cases = TestFiles.json(TestFiles.golden("length_groups.json"));
        assertThat(cases).hasSizeGreaterThan(5);
        for (JsonNode golden : cases) {
            int[] order = RowOrder.grouped(
                    numbers(golden.get("shuffled")),
                    numbers(golden.get("lengths")),
                    golden.get("step_rows").intValue());
            assertThat(order).isEqualTo(numbers(golden.get("order")));
        }
    }

    @Test
    void strategiesOrderRows() {
        int[] tokens = IntStream.range(0, 40).map(row -> row * 7 % 40).toArray();
        assertThat(order(SamplingStrategy.RANDOM, tokens).apply(2)).isEqualTo(Shuffle.order(40, 42, 2));
        assertThat(order(SamplingStrategy.SEQUENTIAL, tokens).apply(2))
                .isEqualTo(IntStream.range(0, 40).toArray());
        IntFunction<int[]> grouped = order(SamplingStrategy.GROUP_BY_LENGTH, tokens);
        assertThat(grouped.apply(2)).isEqualTo(RowOrder.grouped(Shuffle.order(40, 42, 2), tokens, 4));
        assertThat(grouped.apply(2)).isEqualTo(grouped.apply(2)).isNotEqualTo(grouped.apply(1));
    }

    /** Two rows in each of two micro-batches. */
    private static IntFunction<int[]> order(SamplingStrategy strategy, int[] tokens) {
        DpoOptions.Builder options =
                TinyRun.options().perDeviceTrainBatchSize(2).gradientAccumulationSteps(2);
        DpoOptions built = strategy == SamplingStrategy.GROUP_BY_LENGTH
                ? options.groupByLength(true).build()
                : options.trainSamplingStrategy(strategy).build();
        return RowOrder.find(built.train(), tokens);
    }
}
