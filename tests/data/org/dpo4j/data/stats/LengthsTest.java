package org.dpo4j.data.stats;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import org.dpo4j.data.stats.Lengths.Bin;
import org.junit.jupiter.api.Test;

/** Quantiles and ranges of lengths. */
class LengthsTest {
    private static Lengths of(int... values) {
        Lengths lengths = new Lengths();
        Arrays.stream(values).forEach(lengths::add);
        return lengths;
    }

    /** numpy.quantile(range(1, 101), share, method="inverted_cdf"). */
    @Test
    void quantilesAreLengthsThatOccur() {
        Lengths lengths = new Lengths();
        for (int length = 100; length > 0; length--) {
            lengths.add(length);
        }
        assertThat(lengths.min()).isEqualTo(1);
        assertThat(lengths.quantile(0.5)).isEqualTo(50);
        assertThat(lengths.quantile(0.9)).isEqualTo(90);
        assertThat(lengths.quantile(0.99)).isEqualTo(99);
        assertThat(lengths.max()).isEqualTo(100);
        assertThat(lengths.mean()).isEqualTo(50.5);
        assertThat(lengths.above(90)).isEqualTo(10);
        assertThat(of().quantile(0.5)).isZero();
        assertThat(of().histogram()).isEmpty();
    }

    @Test
    void rangesHoldAllLengths() {
        assertThat(of(3).histogram()).containsExactly(new Bin(3, 3, 1));
        assertThat(of(0, 19, 19).histogram())
                .hasSize(20)
                .startsWith(new Bin(0, 0, 1))
                .endsWith(new Bin(19, 19, 2));
        assertThat(of(0, 20).histogram())
                .hasSize(11)
                .startsWith(new Bin(0, 1, 1))
                .endsWith(new Bin(20, 21, 1));
        assertThat(of(7, 95).histogram())
                .hasSize(19)
                .startsWith(new Bin(5, 9, 1))
                .endsWith(new Bin(95, 99, 1));
        Random random = new Random(5);
        for (int i = 0; i < 200; i++) {
            int bound = 1 + random.nextInt(1 << (1 + i % 29));
            int[] values = random.ints(50, 0, bound).toArray();
            Bin[] bins = of(values).histogram();
            assertThat(bins.length).isBetween(1, 20);
            for (Bin bin : bins) {
                assertThat(bin.rows()).isEqualTo((int) Arrays.stream(values)
                        .filter(value -> value >= bin.from() && value <= bin.to())
                        .count());
            }
            assertThat(Arrays.stream(bins).mapToInt(Bin::rows).sum()).isEqualTo(50);
        }
    }
}
