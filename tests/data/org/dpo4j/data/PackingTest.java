package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.dpo4j.kernels.decoder.Segment;
import org.junit.jupiter.api.Test;

/** Compares packed batches with layouts made by hand. */
class PackingTest {

    private static final PreferencePair PAIR =
            new PreferencePair(1, new int[] {10, 11, 12}, new int[] {20, 21, 22}, new int[] {30, 31});

    @Test
    void aPairWithItsPromptOnce() {
        PackedBatch batch = PackedBatch.pairs(List.of(PAIR), true);
        //                                     prompt      chosen  rejected: without their last tokens
        assertThat(batch.ids()).containsExactly(10, 11, 12, 20, 21, 30);
        assertThat(batch.positions()).containsExactly(0, 1, 2, 3, 4, 3);
        assertThat(batch.segments())
                .containsExactly(
                        new Segment(0, 3, 0, 0, 0, 0, 2),
                        new Segment(3, 2, 3, 0, 0, 3, 0),
                        new Segment(5, 1, 5, 0, 0, 3, 0));
        assertThat(batch.targets()).containsExactly(20, 21, 22, 30, 31);
        assertThat(batch.hiddenRows()).containsExactly(2, 3, 4, 2, 5);
        assertThat(batch.offsets()).containsExactly(0, 3, 5);
        assertThat(batch.rows()).isEqualTo(6);
        assertThat(batch.tokens()).isEqualTo(5);
        assertThat(batch.completions()).isEqualTo(2);
    }

    @Test
    void aPairWithItsPromptTwice() {
        PackedBatch batch = PackedBatch.pairs(List.of(PAIR), false);
        assertThat(batch.ids()).containsExactly(10, 11, 12, 20, 21, 10, 11, 12, 30);
        assertThat(batch.positions()).containsExactly(0, 1, 2, 3, 4, 0, 1, 2, 3);
        assertThat(batch.segments())
                .containsExactly(new Segment(0, 5, 0, 0, 0, 0, 0), new Segment(5, 4, 5, 0, 0, 0, 0));
        assertThat(batch.targets()).containsExactly(20, 21, 22, 30, 31);
        assertThat(batch.hiddenRows()).containsExactly(2, 3, 4, 7, 8);
        assertThat(batch.offsets()).containsExactly(0, 3, 5);
    }

    /** keep_end may cut the prompts of a pair differently; they are then two sequences, whatever the layout. */
    @Test
    void differentPromptsAreNotShared() {
        PreferencePair pair =
                cut(new int[] {11, 12}, new int[] {20, 21, 22}, new int[] {10, 11, 12}, new int[] {30, 31});
        PackedBatch batch = PackedBatch.pairs(List.of(pair, PAIR), true);
        assertThat(batch.ids()).containsExactly(11, 12, 20, 21, 10, 11, 12, 30, 10, 11, 12, 20, 21, 30);
        assertThat(batch.positions()).containsExactly(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 4, 3);
        assertThat(batch.sequenceLengths()).containsExactly(5, 5, 6, 6, 5);
        assertThat(batch.targets()).containsExactly(20, 21, 22, 30, 31, 20, 21, 22, 30, 31);
        assertThat(batch.hiddenRows()).containsExactly(1, 2, 3, 6, 7, 10, 11, 12, 10, 13);
        assertThat(pair.tokens()).isEqualTo(10);
        assertThat(pair.length()).isEqualTo(5);
        PreferencePair same = cut(new int[] {10}, new int[] {20}, new int[] {10}, new int[] {30});
        assertThat(same.hasSharedPrompt()).isTrue();
    }

    private static PreferencePair cut(int[] prompt, int[] chosen, int[] rejectedPrompt, int[] rejected) {
        return new PreferencePair(1, prompt, chosen, rejectedPrompt, rejected, 1, Float.NaN, Float.NaN);
    }

    @Test
    void aCompletionOfOneTokenHasNoSegment() {
        PackedBatch chosenOnly =
                PackedBatch.pairs(List.of(new PreferencePair(1, new int[] {5}, new int[] {6}, new int[] {7, 8})), true);
        assertThat(chosenOnly.ids()).containsExactly(5, 7);
        assertThat(chosenOnly.segments())
                .containsExactly(new Segment(0, 1, 0, 0, 0, 0, 1), new Segment(1, 1, 1, 0, 0, 1, 0));
        assertThat(chosenOnly.targets()).containsExactly(6, 7, 8);
        assertThat(chosenOnly.hiddenRows()).containsExactly(0, 0, 1);
        assertThat(chosenOnly.offsets()).containsExactly(0, 1, 3);

        PackedBatch both =
                PackedBatch.pairs(List.of(new PreferencePair(1, new int[] {5}, new int[] {6}, new int[] {7})), true);
        assertThat(both.ids()).containsExactly(5);
        assertThat(both.segments()).containsExactly(new Segment(0, 1, 0, 0, 0, 0, 0));
        assertThat(both.hiddenRows()).containsExactly(0, 0);
    }

    /** Of PAIR, chosen has 6 tokens with the prompt and rejected 5; their last tokens have no rows but count. */
    @Test
    void sequencesOnBothSidesOfTheShortLengthDoNotShareTheirPrompt() {
        for (int shortLength : new int[] {4, 6}) {
            PackedBatch batch = PackedBatch.pairs(List.of(PAIR), new PairLayout(true, shortLength));
            assertThat(batch.ids()).containsExactly(10, 11, 12, 20, 21, 30);
            assertThat(batch.sequenceLengths()).containsExactly(6, 6, 5);
        }
        PackedBatch apart = PackedBatch.pairs(List.of(PAIR, PAIR), new PairLayout(true, 5));
        PackedBatch plain = PackedBatch.pairs(List.of(PAIR, PAIR), false);
        assertThat(apart).usingRecursiveComparison().isEqualTo(plain);
        assertThat(apart.sequenceLengths()).containsExactly(6, 5, 6, 5);

        PreferencePair other = new PreferencePair(2, new int[] {40}, new int[] {50, 51}, new int[] {60});
        PackedBatch both = PackedBatch.pairs(List.of(PAIR, other), new PairLayout(true, 5));
        assertThat(both.ids()).containsExactly(10, 11, 12, 20, 21, 10, 11, 12, 30, 40, 50);
        assertThat(both.sequenceLengths()).containsExactly(6, 5, 3, 3);
        assertThat(both.segments().subList(2, 4))
                .containsExactly(new Segment(9, 1, 9, 0, 0, 0, 1), new Segment(10, 1, 10, 0, 9, 1, 0));
        assertThat(both.hiddenRows()).containsExactly(2, 3, 4, 7, 8, 9, 10, 9);
    }

    @Test
    void pairsFollowOneAnother() {
        PreferencePair other = new PreferencePair(2, new int[] {40}, new int[] {50, 51}, new int[] {60, 61});
        PackedBatch batch = PackedBatch.pairs(List.of(PAIR, other), true);
        assertThat(batch.ids()).containsExactly(10, 11, 12, 20, 21, 30, 40, 50, 60);
        assertThat(batch.positions()).containsExactly(0, 1, 2, 3, 4, 3, 0, 1, 1);
        assertThat(batch.segments().subList(3, 6))
                .containsExactly(
                        new Segment(6, 1, 6, 0, 0, 0, 2),
                        new Segment(7, 1, 7, 0, 6, 1, 0),
                        new Segment(8, 1, 8, 0, 6, 1, 0));
        assertThat(batch.hiddenRows()).containsExactly(2, 3, 4, 2, 5, 6, 7, 6, 8);
        assertThat(batch.offsets()).containsExactly(0, 3, 5, 7, 9);
    }

    @Test
    void sequences() {
        PackedBatch batch = PackedBatch.sequences(List.of(
                new Sequence(1, new int[] {10}, new int[] {11, 12, 13}),
                new Sequence(2, new int[] {20, 21}, new int[] {22})));
        assertThat(batch.ids()).containsExactly(10, 11, 12, 20, 21);
        assertThat(batch.positions()).containsExactly(0, 1, 2, 0, 1);
        assertThat(batch.segments())
                .containsExactly(new Segment(0, 3, 0, 0, 0, 0, 0), new Segment(3, 2, 3, 0, 0, 0, 0));
        assertThat(batch.targets()).containsExactly(11, 12, 13, 22);
        assertThat(batch.hiddenRows()).containsExactly(0, 1, 2, 4);
        assertThat(batch.offsets()).containsExactly(0, 3, 4);
    }

    /** Tokens that are no targets have rows, but no log-prob; the positions of the others do not change. */
    @Test
    void tokensThatAreNotTargetsAreOnlyRead() {
        boolean[] targets = {false, true, false, true};
        Sequence masked = new Sequence(1, new int[] {10, 11}, new int[] {12, 13, 14, 15}, targets);
        PackedBatch batch = PackedBatch.sequences(List.of(masked, new Sequence(2, new int[] {20}, new int[] {21, 22})));
        assertThat(batch.ids()).containsExactly(10, 11, 12, 13, 14, 20, 21);
        assertThat(batch.positions()).containsExactly(0, 1, 2, 3, 4, 0, 1);
        assertThat(batch.targets()).containsExactly(13, 15, 21, 22);
        assertThat(batch.hiddenRows()).containsExactly(2, 4, 5, 6);
        assertThat(batch.offsets()).containsExactly(0, 2, 4);
        assertThat(masked.targetCount()).isEqualTo(2);
    }
}
