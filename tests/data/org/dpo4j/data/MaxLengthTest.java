package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.data.LetterTokenizer.C;
import static org.dpo4j.data.LetterTokenizer.D;
import static org.dpo4j.data.LetterTokenizer.END;
import static org.dpo4j.data.LetterTokenizer.START;

import java.nio.file.Path;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rows longer than {@code max_length}, of 5 tokens: refused, left out, or cut, as is asked. */
class MaxLengthTest {
    private static final String WAYS =
            " tokens, more than max_length 5; raise max_length (up to the model's positions), leave such rows out"
                    + " with on_bad_row skip, or cut them at their end with truncation_mode keep_start";

    @TempDir
    Path directory;

    private static ReadOptions options(
            Tokenizer tokenizer, @Nullable TruncationMode truncationMode, OnBadRow onBadRow) {
        return new ReadOptions(tokenizer, LetterTokenizer.SIZE, 5, truncationMode, onBadRow);
    }

    private Dataset<PreferencePair> pairs(String rows, @Nullable TruncationMode truncationMode, OnBadRow onBadRow) {
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, true)) {
            Path file = TestData.write(directory, "rows.jsonl", rows);
            return Dataset.pairs(file, options(tokenizer, truncationMode, onBadRow));
        }
    }

    private Dataset<Sequence> sequences(String rows, @Nullable TruncationMode truncationMode) {
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, true)) {
            Path file = TestData.write(directory, "rows.jsonl", rows);
            return Dataset.sequences(file, options(tokenizer, truncationMode, OnBadRow.STOP));
        }
    }

    private void assertPairRefused(String row, @Nullable TruncationMode truncationMode, String message) {
        String good = "{\"prompt\":\"c\",\"chosen\":\"d\",\"rejected\":\"cc\"}\n"; // five tokens fit five
        assertThatThrownBy(() -> pairs(good + row, truncationMode, OnBadRow.STOP))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage(directory.resolve("rows.jsonl") + " line 2: " + message);
        Dataset<PreferencePair> skipping = pairs(good + row, truncationMode, OnBadRow.SKIP);
        assertThat(skipping.rows()).extracting(PreferencePair::row).containsExactly(1);
        assertThat(skipping.report().skipped().values()).containsExactly(1);
    }

    private void assertSequenceRefused(String row, String message) {
        assertThatThrownBy(() -> sequences(row, null))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage(directory.resolve("rows.jsonl") + " line 1: " + message);
    }

    @Test
    void longPairsAreRefused() {
        assertPairRefused(
                "{\"prompt\":\"c\",\"chosen\":\"dcd\",\"rejected\":\"c\"}",
                null,
                "prompt with chosen has 2 + 4" + WAYS);
        assertPairRefused(
                "{\"prompt\":\"c\",\"chosen\":\"c\",\"rejected\":\"dcdc\"}",
                null,
                "prompt with rejected has 2 + 5" + WAYS);
    }

    @Test
    void longSequencesAreRefused() {
        assertSequenceRefused("{\"ids\":[4,5,6,7,4,5]}", "ids has 6" + WAYS);
        assertSequenceRefused("{\"text\":\"cdcdcd\"}", "text has 8" + WAYS);
        assertSequenceRefused("{\"prompt\":\"c\",\"completion\":\"cdc\"}", "prompt with completion has 2 + 4" + WAYS);
        assertSequenceRefused(
                "{\"prompt_ids\":[4],\"completion_ids\":[5,6,7,4,5]}", "prompt with completion has 1 + 5" + WAYS);
    }

    /** Cutting cannot help them, so it is not offered. */
    @Test
    void promptsThatFillMaxLengthAreRefused() {
        String row = "{\"prompt\":\"cccc\",\"chosen\":\"c\",\"rejected\":\"d\"}";
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
        assertThat(cut.prompt()).containsExactly(START, C);
        assertThat(cut.chosen()).containsExactly(D, C, D); // no ending token: the text does not end here
        assertThat(cut.rejected()).containsExactly(C, END);
        assertThat(pairs.rows().get(1).rejected()).containsExactly(C, C, END);
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
    void sidesThatAreTheSameOnceCut() {
        assertPairRefused(
                "{\"prompt\":\"c\",\"chosen\":\"cdcdc\",\"rejected\":\"cdcdd\"}",
                TruncationMode.KEEP_START,
                "chosen and rejected are the same once cut to max_length 5; there is nothing to prefer");
    }

    @Test
    void truncationModes() {
        assertThat(TruncationMode.of("keep_start")).isEqualTo(TruncationMode.KEEP_START);
        assertThatThrownBy(() -> TruncationMode.of("keep_end"))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage("truncation_mode keep_end is not supported (TRL has deprecated it): shorten prompts in the"
                        + " data, or set truncation_mode keep_start");
        assertThatThrownBy(() -> TruncationMode.of("middle"))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage("truncation_mode middle is unknown: use keep_start");
    }

    @Test
    void maxLengthHasRoomForAPromptAndACompletion() {
        assertThatThrownBy(() -> new ReadOptions(null, 10, 1, null, OnBadRow.STOP))
                .hasMessage("max_length is 1; a prompt and a completion need at least 2 tokens");
    }
}
