package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Compares orders of rows with those of {@code tests/golden/shuffle.py}. */
class ShuffleTest {

    @Test
    void theSameOrderOnEveryMachine() {
        assertThat(Shuffle.order(10, 42, 0)).containsExactly(0, 3, 5, 7, 9, 8, 2, 1, 4, 6);
        assertThat(Shuffle.order(10, 42, 1)).containsExactly(6, 5, 1, 4, 7, 3, 2, 9, 8, 0);
        assertThat(Shuffle.order(10, 43, 0)).containsExactly(2, 5, 1, 3, 9, 7, 6, 8, 0, 4);
        assertThat(Shuffle.order(7, -1, 3)).containsExactly(6, 0, 2, 4, 1, 5, 3);
        assertThat(Shuffle.order(1, 42, 0)).containsExactly(0);
    }

    @Test
    void everyRowOnce() {
        int[] order = Shuffle.order(1000, 42, 0);
        assertThat(order).isNotEqualTo(IntStream.range(0, 1000).toArray());
        Arrays.sort(order);
        assertThat(order).isEqualTo(IntStream.range(0, 1000).toArray());
    }

    /**
     * The position of row 0 over 6000 seeds and 6 positions: each is expected 1000 times with a standard deviation of
     * sqrt(6000 * 1/6 * 5/6) = 29, so 150 is five standard deviations.
     */
    @Test
    void everyPositionIsEquallyLikely() {
        int[] counts = new int[6];
        for (int seed = 0; seed < 6000; seed++) {
            int[] order = Shuffle.order(6, seed, 0);
            counts[IntStream.range(0, 6).filter(i -> order[i] == 0).findFirst().orElseThrow()]++;
        }
        assertThat(Arrays.stream(counts).boxed())
                .allSatisfy(count -> assertThat(count).isBetween(850, 1150));
    }
}
