package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.dpo4j.data.LetterTokenizer.BOS;
import static org.dpo4j.data.LetterTokenizer.C;
import static org.dpo4j.data.LetterTokenizer.D;
import static org.dpo4j.data.LetterTokenizer.EOS;
import static org.dpo4j.data.TestData.pair;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import java.nio.file.Path;
import java.util.function.BiFunction;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rows longer than a {@code max_length} of 5 tokens are refused, left out or cut, by option. */
class MaxLengthTest {
    private static final String REMEDIES =
            " tokens, more than max_length 5; raise max_length (up to the model's positions), leave such rows out"
                    + " with on_bad_row skip, or cut them at their end with truncation_mode keep_start";

    @TempDir
    Path directory;

    private <T> T read(
            BiFunction<Path, ReadOptions, T> reader, String rows, @Nullable TruncationMode mode, OnBadRow onBadRow) {
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, true)) {
            return reader.apply(
                    TestData.write(directory, "rows.jsonl", rows),
                    new ReadOptions(tokenizer, LetterTokenizer.SIZE, 5, mode, onBadRow));
        }
    }

    private Dataset<PreferencePair> pairs(String rows, @Nullable TruncationMode mode, OnBadRow onBadRow) {
        return read(Dataset::pairs, rows, mode, onBadRow);
    }

    private Dataset<Sequence> sequences(String rows, @Nullable TruncationMode mode) {
        return read(Dataset::sequences, rows, mode, OnBadRow.STOP);
    }

    private void assertPairRefused(String row, @Nullable TruncationMode mode, String message) {
        String rows = pair("c", "d", "cc") + "\n" + row; // five tokens fit five
        assertRefusedWith(
                () -> pairs(rows, mode, OnBadRow.STOP), directory.resolve("rows.jsonl") + " line 2: " + message);
        Dataset<PreferencePair> skipping = pairs(rows, mode, OnBadRow.SKIP);
        assertThat(skipping.rows()).extracting(PreferencePair::row).containsExactly(1);
        assertThat(skipping.report().skipped().values()).containsExactly(1);
    }

    private void assertSequenceRefused(String row, String message) {
        assertRefusedWith(() -> sequences(row, null), directory.resolve("rows.jsonl") + " line 1: " + message);
    }

    @Test
    void longPairsAreRefused() {
        assertPairRefused(pair("c", "dcd", "c"), null, "prompt with chosen has 2 + 4" + REMEDIES);
        assertPairRefused(pair("c", "c", "dcdc"), null, "prompt with rejected has 2 + 5" + REMEDIES);
    }

    @Test
    void longSequencesAreRefused() {
        assertSequenceRefused("{\"ids\":[4,5,6,7,4,5]}", "the sequence has 6" + REMEDIES);
        assertSequenceRefused("{\"text\":\"cdcdcd\"}", "the sequence has 8" + REMEDIES);
        assertSequenceRefused(
                "{\"prompt\":\"c\",\"completion\":\"cdc\"}", "prompt with completion has 2 + 4" + REMEDIES);
        assertSequenceRefused(
                "{\"prompt_ids\":[4],\"completion_ids\":[5,6,7,4,5]}", "prompt with completion has 1 + 5" + REMEDIES);
    }

    /** Cutting would not help, so the message does not suggest it. */
    @Test
    void promptsThatFillMaxLengthAreRefused() {
        String row = pair("cccc", "c", "d");
        String message =
                "prompt has 5 tokens, which leaves no room in max_length 5; raise max_length, or leave such rows"
                        + " out with on_bad_row skip";
        assertPairRefused(row, null, message);
        assertPairRefused(row, TruncationMode.KEEP_START, message);
    }

    @Test
    void longRowsThatAreLeftOutAreCounted() {
        Dataset<PreferencePair> pairs = pairs("""
            {"prompt":"c","chosen":"dcdc","rejected":"c"}
            {"prompt":"cccc","chosen":"d","rejected":"c"}
            {"prompt":"c","chosen":"d","rejected":"c"}
            """, null, OnBadRow.SKIP);
        assertThat(pairs.rows()).extracting(PreferencePair::row).containsExactly(3);
        assertThat(pairs.report())
                .hasToString("1 rows; skipped 2: prompt fills max_length 1, longer than max_length 1");
    }

    @Test
    void completionsAreCutAtTheirEnd() {
        Dataset<PreferencePair> pairs = pairs("""
            {"prompt":"c","chosen":"dcdc","rejected":"c"}
            {"prompt":"c","chosen":"d","rejected":"cc"}
            """, TruncationMode.KEEP_START, OnBadRow.STOP);
        PreferencePair cut = pairs.rows().get(0);
        assertThat(cut.prompt()).containsExactly(BOS, C);
        assertThat(cut.chosen()).containsExactly(D, C, D); // no EOS: the text does not end here
        assertThat(cut.rejected()).containsExactly(C, EOS);
        assertThat(pairs.rows().get(1).rejected()).containsExactly(C, C, EOS);
        assertThat(pairs.report().truncated()).isOne();
        assertThat(pairs.report()).hasToString("2 rows, 1 cut to max_length");
    }

    @Test
    void sequencesAreCutAtTheirEnd() {
        Dataset<Sequence> sequences =
                sequences("{\"ids\":[4,5,6,7,4,5]}\n{\"ids\":[4,5,6,7,4]}", TruncationMode.KEEP_START);
        assertThat(sequences.rows().get(0).completion()).containsExactly(5, 6, 7, 4);
        assertThat(sequences.rows().get(1).completion()).containsExactly(5, 6, 7, 4);
        assertThat(sequences.report()).hasToString("2 rows, 1 cut to max_length");
    }

    @Test
    void sidesThatAreIdenticalOnceCutAreRefused() {
        assertPairRefused(
                pair("c", "cdcdc", "cdcdd"),
                TruncationMode.KEEP_START,
                "chosen and rejected are the same once cut to max_length 5; there is nothing to prefer");
    }

    @Test
    void truncationModes() {
        assertThat(TruncationMode.of("keep_start")).isEqualTo(TruncationMode.KEEP_START);
        assertRefusedWith(
                () -> TruncationMode.of("keep_end"),
                "truncation_mode keep_end is not supported (TRL has deprecated it): shorten prompts in the data, or set"
                        + " truncation_mode keep_start");
        assertRefusedWith(() -> TruncationMode.of("middle"), "truncation_mode middle is unknown: use keep_start");
    }

    @Test
    void maxLengthHasRoomForAPromptAndACompletion() {
        assertRefusedWith(
                () -> new ReadOptions(null, 10, 1, null, OnBadRow.STOP),
                "max_length is 1; a prompt and a completion need at least 2 tokens");
    }
}
