package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class UnpairedRowsTest {

    private static PreferencePair pair(int row, float weight, float reference) {
        return new PreferencePair(
                row, new int[] {row}, new int[] {1}, new int[] {row}, new int[] {2}, weight, reference, reference);
    }

    /** As TRL 1.16's unpair_preference_dataset, by datasets.Dataset.map: of each 1,000 pairs chosen, then rejected. */
    @Test
    void theOrderIsTrls() {
        List<UnpairedCompletion> rows = new UnpairedRows(
                IntStream.range(0, 2300).mapToObj(i -> pair(i, 1, Float.NaN)).toList());
        assertThat(rows).hasSize(4600);
        int next = 0;
        for (int begin = 0; begin < 2300; begin += 1000) {
            for (boolean label : new boolean[] {true, false}) {
                for (int row = begin; row < Math.min(2300, begin + 1000); row++) {
                    UnpairedCompletion found = rows.get(next);
                    assertThat(found.row()).isEqualTo(row);
                    assertThat(found.isDesirable()).isEqualTo(label);
                    assertThat(found.completion()).containsExactly(label ? 1 : 2);
                    next++;
                }
            }
        }
    }

    @Test
    void weightsAndReferencesOfPairsAreRefused() {
        assertThatThrownBy(() -> new UnpairedRows(List.of(pair(7, 0.5f, Float.NaN))))
                .hasMessageContaining("row 7 has the weight 0.5");
        assertThatThrownBy(() -> new UnpairedRows(List.of(pair(8, 1, -3))))
                .hasMessageContaining("row 8 has log-probs of a reference");
    }
}
