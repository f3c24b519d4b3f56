package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.data.TestData.ids;
import static org.dpo4j.data.TestData.pair;
import static org.dpo4j.model.RefusalAssertions.assertRefusedWith;

import java.nio.file.Path;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rows of pairs that are refused, or counted if bad rows are skipped. */
class DatasetRefusalsTest {
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
}
