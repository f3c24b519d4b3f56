package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class HeadPartTest {
    private static final int[] PAIRS = {0, 5, 14, 15, 18, 24, 26};

    @Test
    void asFewPartsOfWholeGroupsAsFit() {
        HeadPart first = new HeadPart(0, 2, 0, 14);
        HeadPart second = new HeadPart(2, 4, 14, 18);
        HeadPart third = new HeadPart(4, 6, 18, 26);
        assertThat(HeadPart.of(PAIRS, 2, 26)).containsExactly(new HeadPart(0, 6, 0, 26));
        assertThat(HeadPart.of(PAIRS, 2, 25)).containsExactly(new HeadPart(0, 4, 0, 18), third);
        assertThat(HeadPart.of(PAIRS, 2, 14)).containsExactly(first, new HeadPart(2, 6, 14, 26));
        assertThat(HeadPart.of(PAIRS, 2, 11)).containsExactly(first, second, third);
    }

    @Test
    void aGroupThatDoesNotFitIsAPartOfItsOwn() {
        assertThat(HeadPart.of(PAIRS, 2, 1)).extracting(HeadPart::tokens).containsExactly(14, 4, 8);
        assertThat(HeadPart.of(PAIRS, 1, 6)).extracting(HeadPart::tokens).containsExactly(5, 9, 4, 6, 2);
        assertThat(HeadPart.of(PAIRS, CompletionLoss.WHOLE_BATCH, 1)).containsExactly(new HeadPart(0, 6, 0, 26));
    }

    @Test
    void noPartHasMoreTokensThanTheLargest() {
        assertThat(HeadPart.largest(PAIRS, 2, 26)).isEqualTo(26);
        assertThat(HeadPart.largest(PAIRS, 2, 15)).as("rows there are").isEqualTo(15);
        assertThat(HeadPart.largest(PAIRS, 2, 5)).as("tokens of the first pair").isEqualTo(14);
        assertThat(HeadPart.largest(PAIRS, CompletionLoss.WHOLE_BATCH, 1)).isEqualTo(26);
        assertThat(HeadPart.largest(new int[] {0}, 2, 4)).isZero();
        for (int rows = 1; rows < 30; rows++) {
            for (int group = 1; group < 7; group++) {
                int largest = HeadPart.largest(PAIRS, group, rows);
                assertThat(HeadPart.of(PAIRS, group, rows))
                        .as("groups of %d, %d rows", group, rows)
                        .allMatch(part -> part.tokens() <= largest);
            }
        }
    }

    @Test
    void noCompletionsAndEmptyOnes() {
        assertThat(HeadPart.of(new int[] {0}, 2, 4)).isEmpty();
        assertThat(HeadPart.of(new int[] {0, 0, 0}, 2, 4)).containsExactly(new HeadPart(0, 2, 0, 0));
        assertThat(HeadPart.of(new int[] {0, 3, 5, 6}, 2, 5))
                .containsExactly(new HeadPart(0, 2, 0, 5), new HeadPart(2, 3, 5, 6));
    }
}
