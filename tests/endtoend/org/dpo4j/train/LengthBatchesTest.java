package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Batches of rows of similar length. */
class LengthBatchesTest {

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 8, 1000})
    void everyRowIsInOneBatchOfAtMostTheTokensOfTheLongestRows(int batch) {
        int[] tokens = new Random(3).ints(500, 1, 90).toArray();
        int[] rows = IntStream.range(0, 500).filter(row -> row % 3 != 0).toArray();
        List<int[]> batches = LengthBatches.split(rows, row -> tokens[row], batch);
        assertThat(batches.stream().flatMapToInt(IntStream::of).sorted().toArray())
                .isEqualTo(rows);
        int[] longest = IntStream.of(rows)
                .map(row -> -tokens[row])
                .sorted()
                .limit(batch)
                .toArray();
        int budget = -IntStream.of(longest).sum();
        assertThat(batches).allSatisfy(each -> assertThat(sum(tokens, each)).isLessThanOrEqualTo(budget));
        assertThat(sum(tokens, batches.get(0))).isEqualTo(budget);
        // a batch could not take the next shorter row
        assertThat(batches.stream().filter(each -> sum(tokens, each) + tokens[each[each.length - 1]] <= budget))
                .hasSizeLessThanOrEqualTo(1);
        assertThat(batches).allSatisfy(each -> {
            for (int i = 1; i < each.length; i++) {
                assertThat(tokens[each[i]]).isLessThanOrEqualTo(tokens[each[i - 1]]);
            }
        });
    }

    private static int sum(int[] tokens, int[] rows) {
        return IntStream.of(rows).map(row -> tokens[row]).sum();
    }

    /** Half of the batches have about half of the rows, so that the time left can be told from the rows that are done. */
    @Test
    void shortAndLongBatchesAreMixed() {
        int[] rows = IntStream.range(0, 4000).toArray();
        List<int[]> batches = LengthBatches.split(rows, row -> 1 + row, 8);
        int half = batches.stream()
                .limit(batches.size() / 2)
                .mapToInt(each -> each.length)
                .sum();
        assertThat(half).isBetween(1800, 2200);
        assertThat(LengthBatches.split(new int[0], row -> 1, 8)).isEmpty();
    }
}
