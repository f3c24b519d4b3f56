package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.data.LetterTokenizer.A;
import static org.dpo4j.data.LetterTokenizer.AB;
import static org.dpo4j.data.LetterTokenizer.B;
import static org.dpo4j.data.LetterTokenizer.BOS;
import static org.dpo4j.data.LetterTokenizer.C;
import static org.dpo4j.data.LetterTokenizer.D;
import static org.dpo4j.data.LetterTokenizer.EOS;
import static org.dpo4j.data.LetterTokenizer.SPACE;
import static org.dpo4j.data.TestData.ids;
import static org.dpo4j.data.TestData.pair;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.dpo4j.data.source.RowSources;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Converts rows to token ids with a tokenizer of ten tokens: every format, every boundary between prompt and
 * completion, and every reason to leave a row out.
 */
class DatasetTest {
    private static final String PAIR = pair("a", "c", "d");
    private static final String FORMATS =
            "[prompt, chosen, rejected] or [chosen, rejected] or [prompt_ids, chosen_ids, rejected_ids]";
    private static final String RENAME = ", or rename columns with column_map";

    @TempDir
    Path directory;

    private Path file(String rows) {
        return TestData.write(directory, "rows.jsonl", rows);
    }

    private Dataset<PreferencePair> pairs(String rows, OnBadRow onBadRow) {
        return LetterTokenizer.pairs(file(rows), true, onBadRow);
    }

    private void assertPair(String row, int[] prompt, int[] chosen, int[] rejected) {
        assertPair(pairs(row, OnBadRow.STOP), 0, prompt, chosen, rejected);
    }

    private static void assertPair(
            Dataset<PreferencePair> pairs, int index, int[] prompt, int[] chosen, int[] rejected) {
        PreferencePair pair = pairs.rows().get(index);
        assertThat(pair.prompt()).as("prompt").isEqualTo(prompt);
        assertThat(pair.chosen()).as("chosen").isEqualTo(chosen);
        assertThat(pair.rejected()).as("rejected").isEqualTo(rejected);
    }

    private void assertSequence(String row, int[] prompt, int[] completion) {
        Sequence sequence = LetterTokenizer.sequences(file(row), true).rows().get(0);
        assertThat(sequence.prompt()).as("prompt").isEqualTo(prompt);
        assertThat(sequence.completion()).as("completion").isEqualTo(completion);
    }

    private static int[] list(int... ids) {
        return ids;
    }

    @Test
    void textsBecomeIds() {
        assertPair(pair("ac", "d", "cc"), list(BOS, A, C), list(D, EOS), list(C, C, EOS));
        assertPair(pair("<s>a", "d</s>", "c"), list(BOS, A), list(D, EOS), list(C, EOS)); // not doubled
        assertPair(pair("", "d", "c"), list(BOS), list(D, EOS), list(C, EOS));
    }

    @Test
    void noBosIsAddedIfTheTokenizerAddsNone() {
        Dataset<PreferencePair> pairs = LetterTokenizer.pairs(file(pair("a", "d", "c")), false, OnBadRow.STOP);
        assertPair(pairs, 0, list(A), list(D, EOS), list(C, EOS));
    }

    @Test
    void columnsThatAreNotUsedAreNamed() {
        Dataset<PreferencePair> pairs = pairs("""
            {"prompt":"a","score":[1],"chosen":"d","rejected":"c","source":"b"}
            {"prompt":"a","score":null,"chosen":"d","rejected":"c","source":"b"}
            {"prompt":"a","chosen":"d","rejected":"","tools":[]}
            """, OnBadRow.SKIP);
        assertPair(pairs, 0, list(BOS, A), list(D, EOS), list(C, EOS));
        assertThat(pairs.report().facts("pairs", ""))
                .containsExactly(
                        Map.entry(
                                "pairs",
                                "2 rows; skipped 1: empty completion 1\n"
                                        + "left out: empty completion  1  33.3 %  rows.jsonl line 3\n"
                                        + "same as an earlier row      1  33.3 %  rows.jsonl line 2"),
                        Map.entry("columns used", "prompt (2 rows), chosen (2 rows), rejected (2 rows)"),
                        Map.entry("columns not used", "score (1 row), source (2 rows)"));
    }

    /** Joined tables write null if a row lacks a column (datasets.concatenate_datasets, a pandas merge). */
    @Test
    void aNullColumnIsAnAbsentColumn() {
        String nulls = ",\"prompt_ids\":null,\"chosen_ids\":null,\"ids\":null,\"text\":null,\"completion\":null,"
                + "\"messages\":null,\"conversations\":null}";
        assertPair(pair("ac", "d", "cc").replace("}", nulls), list(BOS, A, C), list(D, EOS), list(C, C, EOS));
        assertPair(
                "{\"prompt\":null,\"chosen\":null,\"rejected\":null,\"system\":null,"
                        + "\"prompt_ids\":[9],\"chosen_ids\":[0,1],\"rejected_ids\":[2]}",
                list(9),
                list(0, 1),
                list(2));
        String transcript = "{\"prompt\":null,\"chosen\":\"\\n\\nAssistant:d\",\"rejected\":\"\\n\\nAssistant:c\"}";
        assertThat(pairs(transcript, OnBadRow.STOP).rows().get(0).chosen()).containsExactly(D, EOS);
        assertSequence("{\"text\":null,\"prompt\":\"ca\",\"completion\":\"bd\"}", list(BOS, C), list(AB, D, EOS));
        assertSequence("{\"text\":\"cd\",\"prompt\":null,\"chosen\":null}", list(BOS), list(C, D, EOS));
        Dataset<PreferencePair> unused = pairs(PAIR.replace("}", ",\"tools\":null}"), OnBadRow.STOP);
        assertThat(unused.report().columnsNotUsed()).isEmpty();
    }

    /** The first usable row determines the format of the others; a bad row before it does not. */
    @Test
    void aBadFirstRowDoesNotDetermineTheFormat() {
        for (String bad : List.of(
                "{\"prompt\":\"a\",\"rejected\":\"b\"}",
                ids("[2]", "[]", "[4]"),
                "{\"text\":\"a\"}",
                "{\"ids\":[]}",
                "{\"prompt\":null}",
                "{}",
                "{oops",
                "a,b")) {
            Dataset<PreferencePair> pairs = pairs(bad + "\n" + PAIR, OnBadRow.SKIP);
            assertThat(pairs.rows()).as(bad).extracting(PreferencePair::row).containsExactly(2);
        }
    }

    @Test
    void aBorderInsideATokenMovesBackForBothSides() {
        Dataset<PreferencePair> pairs = pairs(pair("ca", "bd", "d") + "\n" + pair("c", "ab", "d"), OnBadRow.STOP);
        assertPair(pairs, 0, list(BOS, C), list(AB, D, EOS), list(A, D, EOS));
        assertPair(pairs, 1, list(BOS, C), list(AB, EOS), list(D, EOS));
        assertThat(pairs.report().mergedPrompts()).isOne();
        assertThat(pairs.report()).hasToString("2 rows, 1 whose prompt and completion share a token");
    }

    /** The vocabulary lacks line breaks and most letters of "Assistant:", so the ids show only the rest. */
    @Test
    void aTranscriptIsSplitBeforeItsLastAnswer() {
        String start = "\\n\\nHuman: a\\n\\nAssistant: c\\n\\nHuman: b\\n\\nAssistant: ";
        String row = "{\"chosen\":\"" + start + "d\",\"rejected\":\"" + start + "cc\"}";
        PreferencePair pair = pairs(row, OnBadRow.STOP).rows().get(0);
        assertThat(pair.chosen()).containsExactly(SPACE, D, EOS);
        assertThat(pair.rejected()).containsExactly(SPACE, C, C, EOS);
        assertThat(pair.prompt()).startsWith(BOS).contains(C, B);
    }

    @Test
    void transcriptsMustShareTheirPrompt() {
        assertRefused(
                "{\"chosen\":\"\\n\\nAssistant: a\\n\\nHuman: b\\n\\nAssistant: d\",\"rejected\":\"\\n\\nAssistant: c\"}",
                "chosen and rejected differ before the last \"\\n\\nAssistant:\" of chosen; only the last answer may"
                        + " differ");
        assertRefused(
                "{\"chosen\":\"a\",\"rejected\":\"b\"}",
                "there is no prompt, and chosen and rejected do not begin with the same word; add a prompt");
    }

    @Test
    void idsAreUsedAsTheyAreAndNeedNoTokenizer() {
        ReadOptions options = LetterTokenizer.options(null, OnBadRow.STOP);
        Dataset<PreferencePair> pairs = Dataset.pairs(file(ids("[9]", "[0,1]", "[2]")), options);
        assertPair(pairs, 0, list(9), list(0, 1), list(2));
        assertRefusedWith(
                () -> Dataset.pairs(file(PAIR), options),
                "rows hold text but the model directory has no tokenizer.json; add it, or give token ids");
    }

    @Test
    void aModelWithoutEosIsRefused() {
        LetterTokenizer.write(directory, true);
        TestData.write(directory, "tokenizer_config.json", "{}");
        try (Tokenizer tokenizer = Tokenizer.load(directory, LetterTokenizer.SIZE)) {
            assertRefusedWith(
                    () -> Dataset.pairs(file(PAIR), LetterTokenizer.options(tokenizer, OnBadRow.STOP)),
                    "the model has no eos_token to end completions with; name it in tokenizer_config.json");
        }
    }

    @Test
    void rowsAreNumberedAsInErrors() {
        assertThat(pairs(PAIR + "\n\n" + PAIR, OnBadRow.STOP).rows())
                .extracting(PreferencePair::row)
                .containsExactly(1, 3);
        assertThat(pairs("[" + PAIR + ",\n\n" + PAIR + "]", OnBadRow.STOP).rows())
                .extracting(PreferencePair::row)
                .containsExactly(1, 2);
    }

    /**
     * Puts the row on line 3, after a good row and a blank line, and fails unless it is refused; if bad rows are
     * skipped, it must be counted.
     */
    private void assertRefused(String row, String message) {
        String good = row.contains("_ids")
                ? ids("[2]", "[3]", "[4]")
                : row.contains("\"prompt\"")
                        ? PAIR
                        : "{\"chosen\":\"\\n\\nAssistant:a\",\"rejected\":\"\\n\\nAssistant:c\"}";
        Path file = file(good + "\n\n" + row);
        assertRefusedWith(() -> LetterTokenizer.pairs(file, false, OnBadRow.STOP), file + " line 3: " + message);
        Dataset<PreferencePair> skipping = LetterTokenizer.pairs(file, false, OnBadRow.SKIP);
        assertThat(skipping.rows()).hasSize(1);
        assertThat(skipping.report().skipped().values())
                .extracting(RowCount::rows)
                .containsExactly(1);
    }

    @Test
    void emptyTextsAndIdsAreRefused() {
        assertRefused(pair("a", "", "c"), "chosen is empty");
        assertRefused(pair("a", "c", " \\n"), "rejected is empty");
        assertRefused(ids("[2]", "[3]", "[]"), "rejected is empty");
        String message =
                "prompt is empty and the tokenizer adds no BOS token, so no token precedes the completion; give a prompt";
        assertRefused(pair("", "c", "d"), message);
        assertRefused(ids("[]", "[3]", "[4]"), message);
    }

    @ParameterizedTest
    @CsvSource({
        "10, 'chosen has the token id 10 at index 1, outside the model''s vocabulary of 10 tokens'",
        "-1, 'chosen_ids[1] is -1, which is no token id'",
        "99999999999, 'chosen_ids[1] is 99999999999, which is no token id'"
    })
    void idsOutsideTheVocabularyAreRefused(String id, String message) {
        assertRefused(ids("[2]", "[3," + id + "]", "[4]"), message);
    }

    @Test
    void valuesOfAnotherTypeAreRefused() {
        assertRefused(
                "{\"prompt\":\"a\",\"chosen\":null,\"rejected\":\"d\"}",
                "its keys [prompt, rejected] match no format (null, so ignored: chosen); give " + FORMATS + RENAME);
        assertRefused(
                "{\"prompt\":\"a\",\"chosen\":[\"c\"],\"rejected\":\"d\"}",
                "chosen is a list; give text, or a list of messages");
        assertRefused(
                "{\"prompt\":\"a\",\"chosen\":\"c\",\"rejected\":4}",
                "rejected is 4; give text, or a list of messages");
        assertRefused(ids("\"a\"", "[3]", "[4]"), "prompt_ids is the text \"a\"; give a list of token ids");
        assertRefused(ids("[2,1.5]", "[3]", "[4]"), "prompt_ids[1] is 1.5; give a list of token ids");
    }

    @Test
    void halfACharacterIsRefused() {
        assertRefused(
                pair("a", "c\\ud83d", "d"), "chosen holds \\ud83d, half of a character; write the whole character");
    }

    @Test
    void malformedJsonIsRefused() {
        Path file = file("\n{\"prompt\"\n");
        assertThatThrownBy(() -> LetterTokenizer.pairs(file, true, OnBadRow.STOP))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageStartingWith(file + " line 2: malformed JSON: ")
                .hasMessageEndingWith("; write one JSON object per line");
    }

    @Test
    void keysOfNoFormatAreRefused() {
        assertRefused("{\"question\":\"prompt\"}", "its keys are [question]; give " + FORMATS + RENAME);
        assertRefused(
                "{\"prompt\":\"a\",\"chosen\":\"b\"}",
                "its keys [prompt, chosen] match no format; give " + FORMATS + RENAME);
        assertRefused(
                pair("a", "b", "c").replace("}", ",\"prompt_ids\":[1],\"chosen_ids\":[1],\"rejected_ids\":[2]}"),
                "it can be read as [prompt, chosen, rejected] or as [prompt_ids, chosen_ids, rejected_ids]; leave out the"
                        + " columns of the others with column_map");
        assertRefused(
                "{\"prompt\":\"a\",\"completion\":\"b\"}",
                "it has [prompt, completion], one completion; give " + FORMATS);
    }

    @Test
    void twoFormatsInAFileAreRefused() {
        Path file = file(PAIR + "\n" + ids("[2]", "[3]", "[4]"));
        assertRefusedWith(
                () -> LetterTokenizer.pairs(file, true, OnBadRow.STOP),
                file + " line 2: it has [prompt_ids, chosen_ids, rejected_ids] but the rows before it have"
                        + " [prompt, chosen, rejected]; use one format for all rows, which the command data writes with --convert");
    }

    /** As on the Hub: one column holds text in some rows and messages in others. */
    @Test
    void textAndMessagesInAFileAreRefused() {
        assertRefused(
                "{\"prompt\":\"a\",\"chosen\":[{\"role\":\"assistant\",\"content\":\"a\"}],\"rejected\":\"b\"}",
                "it has [prompt, chosen, rejected] with messages but the rows before it have"
                        + " [prompt, chosen, rejected]; use one format for all rows, which the command data writes with --convert");
    }

    @Test
    void skippedRowsAreCountedByReason() {
        Dataset<PreferencePair> pairs = pairs("""
            {"prompt":"a","chosen":"c","rejected":"d"}
            {"prompt":"a","chosen":"c","rejected":7}
            {"prompt":"a","chosen":"","rejected":"c"}
            {"prompt":"a","chosen":"d","rejected":8}
            {oops
            {"prompt":"a","chosen":"d","rejected":"c"}
            """, OnBadRow.SKIP);
        assertThat(pairs.rows()).extracting(PreferencePair::row).containsExactly(1, 6);
        assertThat(pairs.report())
                .hasToString("2 rows; skipped 4: malformed JSON 1, a value of a wrong type 2, empty completion 1");
    }

    /** Judges often give all answers of a prompt the same score. */
    @Test
    void answersThatAreAllAsGoodAreLeftOutAndCounted() {
        Dataset<PreferencePair> pairs = pairs("""
            {"prompt":"a","responses":["c","d"],"scores":[3,3]}
            {"prompt":"a","responses":["c","d"],"scores":[3,4]}
            """, OnBadRow.STOP);
        assertThat(pairs.rows()).extracting(PreferencePair::row).containsExactly(2);
        assertThat(pairs.report()).hasToString("1 rows; skipped 1: no answer better than another 1");
    }

    @Test
    void aFileWithoutUsableRowsIsRefused() {
        assertRefusedWith(
                () -> pairs("{oops\n{}\n", OnBadRow.SKIP),
                directory.resolve("rows.jsonl")
                        + " has no row that can be used: 0 rows; skipped 2: malformed JSON 1, unknown format 1");
        assertRefusedWith(
                () -> pairs("[]", OnBadRow.STOP), directory.resolve("rows.jsonl") + " has no row that can be used");
    }

    @Test
    void sequencesInEveryFormat() {
        assertSequence("{\"text\":\"cd\"}", list(BOS), list(C, D, EOS));
        assertSequence("{\"prompt\":\"ca\",\"completion\":\"bd\"}", list(BOS, C), list(AB, D, EOS));
        assertSequence("{\"ids\":[4,5,6]}", list(4), list(5, 6));
        assertSequence("{\"prompt_ids\":[4,5],\"completion_ids\":[6]}", list(4, 5), list(6));
    }

    @Test
    void sequencesWithNothingToLearnAreRefused() {
        assertSequenceRefused("{\"text\":\"\"}", "text is empty");
        assertSequenceRefused(
                "{\"ids\":[3]}",
                "the sequence has 1 tokens; at least 2 are needed, because the second is the first target");
        assertSequenceRefused("{\"prompt\":\"a\",\"completion\":\"\"}", "completion is empty");
        assertSequenceRefused(
                "{\"chosen\":\"a\",\"rejected\":\"b\"}",
                "it has [chosen, rejected], a pair; give [text] or [prompt, completion] or [messages] or [ids] or [prompt_ids,"
                        + " completion_ids]");
    }

    private void assertSequenceRefused(String row, String message) {
        Path file = file(row);
        assertRefusedWith(() -> LetterTokenizer.sequences(file, true), file + " line 1: " + message);
    }

    /** A file in which one row is usable as a pair holds pairs: logps uses the rows that dpo uses. */
    @Test
    void aFileHoldsPairsIfOneRowIsAPairElseSequences() {
        assertHolds("pairs [2, 3]", OnBadRow.SKIP, "{\"prompt\":\"a\",\"rejected\":\"b\"}", PAIR, PAIR);
        assertHolds("pairs [2, 4]", OnBadRow.SKIP, "{\"text\":\"a\"}", PAIR, "{oops", PAIR);
        assertHolds(
                "sequences [1, 3]",
                OnBadRow.SKIP,
                "{\"text\":\"a\"}",
                "{\"prompt\":\"a\",\"chosen\":\"c\"}",
                "{\"text\":\"b\"}");
        assertHolds("sequences [2]", OnBadRow.SKIP, pair("a", "c", ""), "{\"text\":\"a\"}");
        assertHolds("sequences [1]", OnBadRow.SKIP, "{\"chosen\":null,\"text\":\"a\"}");
        assertHolds("pairs [1, 2]", OnBadRow.STOP, PAIR, PAIR);
        assertHolds("sequences [1]", OnBadRow.STOP, "{\"ids\":[2,3]}");
    }

    private void assertHolds(String expected, OnBadRow onBadRow, String... rows) {
        assertThat(held(onBadRow, String.join("\n", rows))).isEqualTo(expected);
    }

    @Test
    void aRowOfTheOtherKindIsRefused() {
        assertHeldRefused(PAIR + "\n{\"text\":\"a\"}", " line 2: it has [text], one completion; give [prompt, ");
        assertHeldRefused(
                "{\"text\":\"a\"}\n" + PAIR, " line 2: it has [prompt, chosen, rejected], a pair; give [text] ");
        assertHeldRefused(pair("a", "", "d"), " line 1: chosen is empty");
        assertHeldRefused(
                "{\"ids\":[3]}",
                " line 1: the sequence has 1 tokens; at least 2 are needed, because the second is the first target");
        assertHeldRefused(
                "{\"question\":\"a\"}",
                " line 1: its keys are [question]; give " + FORMATS
                        + " or [text] or [prompt, completion] or [messages] or [ids] or [prompt_ids, completion_ids]");
    }

    private void assertHeldRefused(String rows, String message) {
        assertThatThrownBy(() -> held(OnBadRow.STOP, rows))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageStartingWith(directory.resolve("rows.jsonl") + message);
    }

    /** Kind and numbers of the rows that were read. */
    private String held(OnBadRow onBadRow, String rows) {
        List<String> held = new ArrayList<>();
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, true)) {
            Dataset.read(
                    RowSources.named(file(rows)),
                    LetterTokenizer.options(tokenizer, onBadRow),
                    DatasetCache.NONE,
                    ReadListener.NONE,
                    pairs -> held.add("pairs "
                            + pairs.rows().stream().map(PreferencePair::row).toList()),
                    sequences -> held.add("sequences "
                            + sequences.rows().stream().map(Sequence::row).toList()));
        }
        assertThat(held).hasSize(1);
        return held.get(0);
    }

    @Test
    void columnsThatPromptsDoNotUseAreNamed() {
        Path file =
                file("{\"prompt\":null,\"prompt_ids\":[9],\"system\":\"b\"}\n{\"prompt\":\"x\",\"prompt_ids\":[3,4]}");
        Dataset<Prompt> prompts = Prompt.read(file, null, LetterTokenizer.SIZE);
        assertThat(prompts.rows()).extracting(Prompt::row).containsExactly(1, 2);
        assertThat(prompts.rows().get(1).ids()).containsExactly(3, 4);
        assertThat(prompts.report().columnsNotUsed()).containsExactly(Map.entry("system", 1), Map.entry("prompt", 1));
    }
}
