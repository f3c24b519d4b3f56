package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.data.LetterTokenizer.BOS;
import static org.dpo4j.data.LetterTokenizer.C;
import static org.dpo4j.data.LetterTokenizer.D;
import static org.dpo4j.data.LetterTokenizer.EOS;
import static org.dpo4j.data.TestData.pair;
import static org.dpo4j.data.TruncationMode.DROP;
import static org.dpo4j.data.TruncationMode.KEEP_END;
import static org.dpo4j.data.TruncationMode.KEEP_START;
import static org.dpo4j.data.TruncationMode.RAISE;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import java.nio.file.Path;
import java.util.List;
import java.util.function.BiFunction;
import org.dpo4j.data.source.BadRow;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rows longer than a {@code max_length} of 5 tokens are refused, left out or cut, by {@code truncation_mode}. */
class MaxLengthTest {
    private static final String REMEDIES =
            " tokens, more than max_length 5; raise max_length (up to the model's positions), leave such rows out"
                    + " with truncation_mode drop, or cut them with truncation_mode keep_start";

    @TempDir
    Path directory;

    private <T> T read(BiFunction<Path, ReadOptions, T> reader, String rows, TruncationMode mode, OnBadRow onBadRow) {
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, true)) {
            return reader.apply(
                    TestData.write(directory, "rows.jsonl", rows),
                    new ReadOptions(tokenizer, LetterTokenizer.SIZE, Truncation.to(5, mode), onBadRow));
        }
    }

    private Dataset<PreferencePair> pairs(String rows, TruncationMode mode, OnBadRow onBadRow) {
        return read(Dataset::pairs, rows, mode, onBadRow);
    }

    private Dataset<Sequence> sequences(String rows, TruncationMode mode) {
        return read(Dataset::sequences, rows, mode, OnBadRow.STOP);
    }

    private void assertPairRefused(String row, TruncationMode mode, String message) {
        String rows = pair("c", "d", "cc") + "\n" + row; // five tokens fit five
        assertRefusedWith(
                () -> pairs(rows, mode, OnBadRow.STOP), directory.resolve("rows.jsonl") + " line 2: " + message);
        Dataset<PreferencePair> skipping = pairs(rows, mode, OnBadRow.SKIP);
        assertThat(skipping.rows()).extracting(PreferencePair::row).containsExactly(1);
        assertThat(skipping.report().skipped().values())
                .extracting(RowCount::rows)
                .containsExactly(1);
    }

    private void assertSequenceRefused(String row, String message) {
        assertRefusedWith(() -> sequences(row, RAISE), directory.resolve("rows.jsonl") + " line 1: " + message);
    }

    @Test
    void longPairsAreRefused() {
        assertPairRefused(pair("c", "dcd", "c"), RAISE, "prompt with chosen has 2 + 4" + REMEDIES);
        assertPairRefused(pair("c", "c", "dcdc"), RAISE, "prompt with rejected has 2 + 5" + REMEDIES);
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

    /** Whatever is cut of it afterwards: a text of 64 MB takes minutes to convert. */
    @Test
    void textsOfMillionsOfCharactersAreRefused() {
        String message =
                "it has a text of 4,194,305 characters, more than the 4,194,304 that are converted to tokens; split"
                        + " it into several rows";
        assertPairRefused(pair("c", "d", "c ".repeat(2097152)), KEEP_START, message);
        assertSequenceRefused("{\"text\":\"" + "c ".repeat(2097152) + "c\"}", message);
    }

    /** Cutting would not help, so the message does not suggest it. */
    @Test
    void promptsThatFillMaxLengthAreRefused() {
        String row = pair("cccc", "c", "d");
        String message =
                "prompt has 5 tokens, which leaves no room in max_length 5; raise max_length, or leave such rows"
                        + " out with on_bad_row skip";
        assertPairRefused(row, RAISE, message);
    }

    @Test
    void longRowsThatAreLeftOutAreCounted() {
        Dataset<PreferencePair> pairs = pairs("""
            {"prompt":"c","chosen":"dcdc","rejected":"c"}
            {"prompt":"cccc","chosen":"d","rejected":"c"}
            {"prompt":"c","chosen":"d","rejected":"c"}
            """, RAISE, OnBadRow.SKIP);
        assertThat(pairs.rows()).extracting(PreferencePair::row).containsExactly(3);
        assertThat(pairs.report())
                .hasToString("1 rows; skipped 2: prompt fills max_length 1, longer than max_length 1");
    }

    @Test
    void completionsAreCutAtTheirEnd() {
        Dataset<PreferencePair> pairs = pairs("""
            {"prompt":"c","chosen":"dcdc","rejected":"c"}
            {"prompt":"c","chosen":"d","rejected":"cc"}
            """, KEEP_START, OnBadRow.STOP);
        PreferencePair cut = pairs.rows().get(0);
        assertThat(cut.prompt()).containsExactly(BOS, C);
        assertThat(cut.chosen()).containsExactly(D, C, D); // no EOS: the text does not end here
        assertThat(cut.rejected()).containsExactly(C, EOS);
        assertThat(pairs.rows().get(1).rejected()).containsExactly(C, C, EOS);
        assertThat(pairs.report().cutRows()).isOne();
        assertThat(pairs.report()).hasToString("2 rows, 1 cut to max_length");
    }

    @Test
    void aFifthOfTheRowsMayBeCutWithoutAWarning() {
        String short4 = pair("c", "d", "cc") + "\n" + pair("c", "dd", "c") + "\n" + pair("d", "d", "c") + "\n"
                + pair("d", "c", "dd") + "\n";
        String cut = pair("c", "dcdc", "c");
        assertThat(pairs(short4 + cut, KEEP_START, OnBadRow.STOP).report().warning("pairs"))
                .isEmpty();
        assertThat(pairs(short4 + cut + "\n" + pair("d", "dcdc", "c"), KEEP_START, OnBadRow.STOP)
                        .report()
                        .warning("pairs"))
                .contains("33% of the pairs are too long (2 cut, 0 left out, of 6); raise max_length");
    }

    @Test
    void sequencesAreCutAtTheirEnd() {
        Dataset<Sequence> sequences = sequences("{\"ids\":[4,5,6,7,4,5]}\n{\"ids\":[4,5,6,7,4]}", KEEP_START);
        assertThat(sequences.rows().get(0).completion()).containsExactly(5, 6, 7, 4);
        assertThat(sequences.rows().get(1).completion()).containsExactly(5, 6, 7, 4);
        assertThat(sequences.report()).hasToString("2 rows, 1 cut to max_length");
    }

    /** In these modes a long row never ends the run, whatever on_bad_row is. */
    @Test
    void rowsThatNoCutMakesUsableAreLeftOut() {
        String rows = """
            {"prompt":"cccc","chosen":"c","rejected":"d"}
            {"prompt":"c","chosen":"cdcdc","rejected":"cdcdd"}
            {"prompt":"c","chosen":"d","rejected":"cc"}
            """;
        Dataset<PreferencePair> pairs = pairs(rows, KEEP_START, OnBadRow.STOP);
        assertThat(pairs.rows()).extracting(PreferencePair::row).containsExactly(2, 3);
        assertThat(pairs.report()).hasToString("2 rows, 1 cut to max_length; skipped 1: prompt fills max_length 1");
        assertThat(pairs.report().noted()).containsOnlyKeys("identical sides");
        assertThat(pairs.report().warning("pairs"))
                .contains("67% of the pairs are too long (1 cut, 1 left out, of 3); raise max_length");
        assertThat(pairs(rows, DROP, OnBadRow.STOP).report())
                .hasToString("1 rows; skipped 2: longer than max_length 2");
    }

    /** keep_end cuts the two sequences independently, so the prompts differ; a long completion becomes its own prompt. */
    @Test
    void keepEndCutsThePrompt() {
        Dataset<PreferencePair> pairs = pairs("""
            {"prompt":"cd","chosen":"cc","rejected":"c"}
            {"prompt":"c","chosen":"dccdcd","rejected":"d"}
            {"prompt":"c","chosen":"d","rejected":"cc"}
            """, KEEP_END, OnBadRow.STOP);
        PreferencePair cut = pairs.rows().get(0);
        assertThat(cut.hasSharedPrompt()).isFalse();
        assertThat(cut.prompt()).containsExactly(C, D);
        assertThat(cut.chosen()).containsExactly(C, C, EOS);
        assertThat(cut.rejectedPrompt()).containsExactly(BOS, C, D);
        assertThat(cut.rejected()).containsExactly(C, EOS);
        PreferencePair longer = pairs.rows().get(1);
        assertThat(longer.prompt()).containsExactly(C);
        assertThat(longer.chosen()).containsExactly(D, C, D, EOS);
        assertThat(longer.rejectedPrompt()).containsExactly(BOS, C);
        assertThat(pairs.rows().get(2).hasSharedPrompt()).isTrue();
        assertThat(pairs.report()).hasToString("3 rows, 2 cut to max_length");
    }

    @Test
    void theLastTokenOfACutCompletionBecomesEos() throws BadRow {
        Truncation truncation = new Truncation(KEEP_START, 5, null, null, EOS);
        int[] answer = {C, D, C, D, EOS};
        Truncation.Kept cut = keep(truncation, 2, answer);
        assertThat(truncation.completion(cut, answer)).containsExactly(C, D, EOS);
        assertThat(Truncation.to(5, KEEP_START).completion(cut, answer)).containsExactly(C, D, C);
        int[] unended = {C, D, C, D, C};
        assertThat(truncation.completion(cut, unended)).containsExactly(C, D, C);
        int[] fits = {C, D, EOS};
        assertThat(truncation.completion(keep(truncation, 2, fits), fits)).containsExactly(C, D, EOS);
    }

    private static Truncation.Kept keep(Truncation truncation, int prompt, int[] completion) throws BadRow {
        return truncation
                .keep(prompt, List.of(completion.length), List.of("completion"))
                .get(0);
    }

    @Test
    void limitsOfPromptAndCompletionAreRefusedByName() {
        Truncation prompts = new Truncation(RAISE, 9, 3, null, null);
        assertThatThrownBy(() -> keep(prompts, 4, new int[] {C}))
                .hasMessage("prompt has 4 tokens, more than max_prompt_length 3; raise max_prompt_length, leave such"
                        + " rows out with truncation_mode drop, or cut them with truncation_mode keep_start");
        Truncation completions = new Truncation(DROP, 9, null, 1, null);
        assertThatThrownBy(() -> keep(completions, 4, new int[] {C, D}))
                .isInstanceOfSatisfying(
                        BadRow.class, bad -> assertThat(bad.isByOption()).isTrue())
                .hasMessage("completion has 2 tokens, more than max_completion_length 1");
        assertRefusedWith(
                () -> completions.checkWhole(9),
                "max_completion_length is set, but the rows have no prompt; set max_length");
    }

    @Test
    void targetsAreCutWithTheirTokens() throws BadRow {
        boolean[] targets = {true, false, true, false, false};
        assertThat(keep(Truncation.to(5, KEEP_START), 2, new int[5]).targets(targets))
                .containsExactly(true, false, true);
        assertThat(keep(Truncation.to(4, KEEP_END), 2, new int[5]).targets(targets))
                .containsExactly(true, false, false);
    }

    /** They are sums over all tokens of the completion, so they say nothing about a part of it. */
    @Test
    void logProbsOfTheReferenceOfARowThatIsCutAreRefused() {
        String sums = ",\"ref_chosen_logps\":-1,\"ref_rejected_logps\":-2}";
        assertPairRefused(
                pair("c", "dcdc", "c").replace("}", sums),
                KEEP_START,
                "the row is cut, but its log-probs of the reference are those of the whole row; raise max_length, or"
                        + " leave their columns out");
        Dataset<PreferencePair> whole = pairs(pair("c", "d", "c").replace("}", sums), KEEP_START, OnBadRow.STOP);
        assertThat(whole.rows().get(0).referenceRejected()).isEqualTo(-2);
    }

    @Test
    void maxLengthHasRoomForAPromptAndACompletion() {
        assertRefusedWith(
                () -> Truncation.to(1, KEEP_START),
                "max_length is 1; a prompt and a completion need at least 2 tokens");
    }
}
