package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class LossChunkTest {
    private static final int[] PAIRS = {0, 5, 14, 15, 18, 24, 26};

    @Test
    void aChunkHasAsManyWholeGroupsAsFit() {
        LossChunk first = new LossChunk(0, 2, 0, 14);
        LossChunk second = new LossChunk(2, 4, 14, 18);
        LossChunk third = new LossChunk(4, 6, 18, 26);
        assertThat(LossChunk.split(PAIRS, 2, 26)).containsExactly(new LossChunk(0, 6, 0, 26));
        assertThat(LossChunk.split(PAIRS, 2, 25)).containsExactly(new LossChunk(0, 4, 0, 18), third);
        assertThat(LossChunk.split(PAIRS, 2, 14)).containsExactly(first, new LossChunk(2, 6, 14, 26));
        assertThat(LossChunk.split(PAIRS, 2, 11)).containsExactly(first, second, third);
    }

    @Test
    void aGroupThatDoesNotFitIsAChunkOfItsOwn() {
        assertThat(LossChunk.split(PAIRS, 2, 1)).extracting(LossChunk::tokens).containsExactly(14, 4, 8);
        assertThat(LossChunk.split(PAIRS, 1, 6)).extracting(LossChunk::tokens).containsExactly(5, 9, 4, 6, 2);
        assertThat(LossChunk.split(PAIRS, CompletionLoss.WHOLE_BATCH, 1)).containsExactly(new LossChunk(0, 6, 0, 26));
    }

    @Test
    void maxTokensBoundsEveryChunk() {
        assertThat(LossChunk.maxTokens(PAIRS, 2, 26)).isEqualTo(26);
        assertThat(LossChunk.maxTokens(PAIRS, 2, 15)).as("rows that fit").isEqualTo(15);
        assertThat(LossChunk.maxTokens(PAIRS, 2, 5))
                .as("tokens of the first pair")
                .isEqualTo(14);
        assertThat(LossChunk.maxTokens(PAIRS, CompletionLoss.WHOLE_BATCH, 1)).isEqualTo(26);
        assertThat(LossChunk.maxTokens(new int[] {0}, 2, 4)).isZero();
        for (int rows = 1; rows < 30; rows++) {
            for (int group = 1; group < 7; group++) {
                int max = LossChunk.maxTokens(PAIRS, group, rows);
                assertThat(LossChunk.split(PAIRS, group, rows))
                        .as("groups of %d, %d rows", group, rows)
                        .allMatch(chunk -> chunk.tokens() <= max);
            }
        }
    }

    @Test
    void emptyBatchesAndCompletions() {
        assertThat(LossChunk.split(new int[] {0}, 2, 4)).isEmpty();
        assertThat(LossChunk.split(new int[] {0, 0, 0}, 2, 4)).containsExactly(new LossChunk(0, 2, 0, 0));
        assertThat(LossChunk.split(new int[] {0, 3, 5, 6}, 2, 5))
                .containsExactly(new LossChunk(0, 2, 0, 5), new LossChunk(2, 3, 5, 6));
    }
}
