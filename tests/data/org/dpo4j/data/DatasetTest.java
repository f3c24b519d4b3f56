package org.dpo4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.data.LetterTokenizer.A;
import static org.dpo4j.data.LetterTokenizer.AB;
import static org.dpo4j.data.LetterTokenizer.B;
import static org.dpo4j.data.LetterTokenizer.C;
import static org.dpo4j.data.LetterTokenizer.D;
import static org.dpo4j.data.LetterTokenizer.END;
import static org.dpo4j.data.LetterTokenizer.SPACE;
import static org.dpo4j.data.LetterTokenizer.START;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rows to token ids, by a tokenizer of ten tokens: every format, every border, every reason to leave a row out. */
class DatasetTest {
    @TempDir
    Path directory;

    private Dataset<PreferencePair> pairs(String rows, boolean beginning, OnBadRow onBadRow) {
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, beginning)) {
            Path file = TestData.write(directory, "rows.jsonl", rows);
            return Dataset.pairs(file, new ReadOptions(tokenizer, LetterTokenizer.SIZE, null, null, onBadRow));
        }
    }

    private PreferencePair pair(String row) {
        return pairs(row, true, OnBadRow.STOP).rows().get(0);
    }

    private Sequence sequence(String row) {
        return sequences(row).rows().get(0);
    }

    private Dataset<Sequence> sequences(String rows) {
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, true)) {
            Path file = TestData.write(directory, "rows.jsonl", rows);
            return Dataset.sequences(file, new ReadOptions(tokenizer, LetterTokenizer.SIZE, null, null, OnBadRow.STOP));
        }
    }

    private static void assertPair(PreferencePair pair, int[] prompt, int[] chosen, int[] rejected) {
        assertThat(pair.prompt()).as("prompt").isEqualTo(prompt);
        assertThat(pair.chosen()).as("chosen").isEqualTo(chosen);
        assertThat(pair.rejected()).as("rejected").isEqualTo(rejected);
    }

    private static int[] ids(int... ids) {
        return ids;
    }

    @Test
    void promptChosenRejected() {
        assertPair(
                pair("{\"prompt\":\"ac\",\"chosen\":\"d\",\"rejected\":\"cc\"}"),
                ids(START, A, C),
                ids(D, END),
                ids(C, C, END));
    }

    @Test
    void columnsThatAreNotUsedAreNamed() {
        Dataset<PreferencePair> pairs = pairs(
                "{\"prompt\":\"a\",\"score\":[1],\"chosen\":\"d\",\"rejected\":\"c\",\"system\":\"b\"}\n"
                        + "{\"prompt\":\"a\",\"score\":null,\"chosen\":\"d\",\"rejected\":\"c\",\"system\":\"b\"}\n"
                        + "{\"prompt\":\"a\",\"chosen\":\"d\",\"rejected\":\"d\",\"tools\":[]}\n",
                true,
                OnBadRow.SKIP);
        assertPair(pairs.rows().get(0), ids(START, A), ids(D, END), ids(C, END));
        assertThat(pairs.report().facts("pairs", ""))
                .containsExactly(
                        Map.entry("pairs", "2 rows; skipped 1: identical sides 1"),
                        Map.entry("columns used", "prompt (2 rows), chosen (2 rows), rejected (2 rows)"),
                        Map.entry("columns not used", "score (1 row), system (2 rows)"));
    }

    /** Joined tables write null where a row lacks a column (datasets.concatenate_datasets, a pandas merge). */
    @Test
    void aNullColumnIsAnAbsentColumn() {
        String nulls = ",\"prompt_ids\":null,\"chosen_ids\":null,\"ids\":null,\"text\":null,\"completion\":null,"
                + "\"messages\":null,\"conversations\":null}";
        assertPair(
                pair("{\"prompt\":\"ac\",\"chosen\":\"d\",\"rejected\":\"cc\"" + nulls),
                ids(START, A, C),
                ids(D, END),
                ids(C, C, END));
        assertPair(
                pair("{\"prompt\":null,\"chosen\":null,\"rejected\":null,\"system\":null,"
                        + "\"prompt_ids\":[9],\"chosen_ids\":[0,1],\"rejected_ids\":[2]}"),
                ids(9),
                ids(0, 1),
                ids(2));
        assertThat(pair("{\"prompt\":null,\"chosen\":\"\\n\\nAssistant:d\",\"rejected\":\"\\n\\nAssistant:c\"}")
                        .chosen())
                .containsExactly(D, END);
        assertThat(sequence("{\"text\":null,\"prompt\":\"ca\",\"completion\":\"bd\"}")
                        .completion())
                .containsExactly(AB, D, END);
        assertThat(sequence("{\"text\":\"cd\",\"prompt\":null,\"chosen\":null}").completion())
                .containsExactly(C, D, END);
        assertThat(pairs("{\"prompt\":\"a\",\"chosen\":\"d\",\"rejected\":\"c\",\"tools\":null}", true, OnBadRow.STOP)
                        .report()
                        .columnsNotUsed())
                .isEmpty();
    }

    /** The first row that can be used says what the others must be, not one that cannot. */
    @Test
    void aBadFirstRowDecidesNothing() {
        for (String bad : List.of(
                "{\"prompt\":\"a\",\"rejected\":\"b\"}",
                "{\"prompt_ids\":[2],\"chosen_ids\":[],\"rejected_ids\":[4]}",
                "{\"text\":\"a\"}",
                "{\"ids\":[]}",
                "{\"prompt\":null}",
                "{}",
                "{oops",
                "a,b")) {
            Dataset<PreferencePair> pairs =
                    pairs(bad + "\n{\"prompt\":\"a\",\"chosen\":\"c\",\"rejected\":\"d\"}", true, OnBadRow.SKIP);
            assertThat(pairs.rows()).as(bad).extracting(PreferencePair::row).containsExactly(2);
        }
    }

    @Test
    void withoutBeginningTokenNoneIsAdded() {
        Dataset<PreferencePair> pairs =
                pairs("{\"prompt\":\"a\",\"chosen\":\"d\",\"rejected\":\"c\"}", false, OnBadRow.STOP);
        assertPair(pairs.rows().get(0), ids(A), ids(D, END), ids(C, END));
    }

    @Test
    void specialTokensSpelledOutAreNotDoubled() {
        assertPair(
                pair("{\"prompt\":\"<s>a\",\"chosen\":\"d</s>\",\"rejected\":\"c\"}"),
                ids(START, A),
                ids(D, END),
                ids(C, END));
    }

    @Test
    void anEmptyPromptIsTheBeginningToken() {
        assertPair(pair("{\"prompt\":\"\",\"chosen\":\"d\",\"rejected\":\"c\"}"), ids(START), ids(D, END), ids(C, END));
    }

    @Test
    void aBorderInsideATokenMovesBackForBothSides() {
        Dataset<PreferencePair> pairs = pairs(
                "{\"prompt\":\"ca\",\"chosen\":\"bd\",\"rejected\":\"d\"}\n"
                        + "{\"prompt\":\"c\",\"chosen\":\"ab\",\"rejected\":\"d\"}",
                true,
                OnBadRow.STOP);
        assertPair(pairs.rows().get(0), ids(START, C), ids(AB, D, END), ids(A, D, END));
        assertPair(pairs.rows().get(1), ids(START, C), ids(AB, END), ids(D, END));
        assertThat(pairs.report().mergedPrompts()).isOne();
        assertThat(pairs.report()).hasToString("2 rows, 1 whose prompt and completion share a token");
    }

    @Test
    void transcripts() {
        // \n and the letters of "Assistant:" are not in the vocabulary, so the ids show only what is
        PreferencePair pair = pair("{\"chosen\":\"\\n\\nHuman: a\\n\\nAssistant: c\\n\\nHuman: b\\n\\nAssistant: d\","
                + "\"rejected\":\"\\n\\nHuman: a\\n\\nAssistant: c\\n\\nHuman: b\\n\\nAssistant: cc\"}");
        assertThat(pair.chosen()).containsExactly(SPACE, D, END);
        assertThat(pair.rejected()).containsExactly(SPACE, C, C, END);
        assertThat(pair.prompt()).startsWith(START).contains(C, B);
    }

    @Test
    void transcriptsMustShareTheirPrompt() {
        assertRefused(
                "{\"chosen\":\"\\n"
                        + "\\n"
                        + "Assistant: a\\n"
                        + "\\n"
                        + "Human: b\\n"
                        + "\\n"
                        + "Assistant: d\",\"rejected\":\"\\n"
                        + "\\n"
                        + "Assistant: c\"}",
                "chosen and rejected differ before the last \"\\n"
                        + "\\n"
                        + "Assistant:\" of chosen; only the last answer may differ");
        assertRefused(
                "{\"chosen\":\"a\",\"rejected\":\"b\"}",
                "there is no prompt, and chosen is not a transcript with \"\\n\\nAssistant:\"; add a prompt");
    }

    @Test
    void tokenIdsAreTakenAsTheyAreAndNeedNoTokenizer() {
        Path file = TestData.write(
                directory, "ids.jsonl", "{\"prompt_ids\":[9],\"chosen_ids\":[0,1],\"rejected_ids\":[2]}");
        ReadOptions options = new ReadOptions(null, LetterTokenizer.SIZE, null, null, OnBadRow.STOP);
        assertPair(Dataset.pairs(file, options).rows().get(0), ids(9), ids(0, 1), ids(2));
    }

    @Test
    void textWithoutTokenizer() {
        Path file = TestData.write(directory, "text.jsonl", "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}");
        ReadOptions options = new ReadOptions(null, LetterTokenizer.SIZE, null, null, OnBadRow.STOP);
        assertThatThrownBy(() -> Dataset.pairs(file, options))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage("rows hold text but the model directory has no tokenizer.json; add it, or give token ids");
    }

    @Test
    void aModelWithoutEndingToken() {
        LetterTokenizer.write(directory, true);
        TestData.write(directory, "tokenizer_config.json", "{}");
        Path file = TestData.write(directory, "rows.jsonl", "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}");
        try (Tokenizer tokenizer = Tokenizer.load(directory, LetterTokenizer.SIZE)) {
            ReadOptions options = new ReadOptions(tokenizer, LetterTokenizer.SIZE, null, null, OnBadRow.STOP);
            assertThatThrownBy(() -> Dataset.pairs(file, options))
                    .hasMessage("the model has no eos_token to end completions with; name it in tokenizer_config.json");
        }
    }

    @Test
    void rowsAreNumberedAsErrorsNumberThem() {
        String row = "{\"prompt\":\"a\",\"chosen\":\"d\",\"rejected\":\"c\"}";
        List<PreferencePair> lines =
                pairs(row + "\n\n" + row, true, OnBadRow.STOP).rows();
        assertThat(lines).extracting(PreferencePair::row).containsExactly(1, 3);
        List<PreferencePair> elements =
                pairs("[" + row + ",\n\n" + row + "]", true, OnBadRow.STOP).rows();
        assertThat(elements).extracting(PreferencePair::row).containsExactly(1, 2);
    }

    /** Line 3, behind a good row and a blank line. */
    private void assertRefused(String row, String message) {
        String good = row.contains("_ids")
                ? "{\"prompt_ids\":[2],\"chosen_ids\":[3],\"rejected_ids\":[4]}"
                : row.contains("\"prompt\"")
                        ? "{\"prompt\":\"a\",\"chosen\":\"c\",\"rejected\":\"d\"}"
                        : "{\"chosen\":\"\\n\\nAssistant:a\",\"rejected\":\"\\n\\nAssistant:c\"}";
        assertThatThrownBy(() -> pairs(good + "\n\n" + row, false, OnBadRow.STOP))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage(directory.resolve("rows.jsonl") + " line 3: " + message);
        Dataset<PreferencePair> skipping = pairs(good + "\n\n" + row, false, OnBadRow.SKIP);
        assertThat(skipping.rows()).hasSize(1);
        assertThat(skipping.report().skipped().values()).containsExactly(1);
    }

    @Test
    void emptyCompletions() {
        assertRefused("{\"prompt\":\"a\",\"chosen\":\"\",\"rejected\":\"c\"}", "chosen is empty");
        assertRefused("{\"prompt\":\"a\",\"chosen\":\"c\",\"rejected\":\" \\n\"}", "rejected is empty");
        assertRefused("{\"prompt_ids\":[2],\"chosen_ids\":[3],\"rejected_ids\":[]}", "rejected is empty");
    }

    @Test
    void emptyPrompts() {
        String message =
                "prompt is empty and the tokenizer adds no BOS token, so no token precedes the completion; give a prompt";
        assertRefused("{\"prompt\":\"\",\"chosen\":\"c\",\"rejected\":\"d\"}", message);
        assertRefused("{\"prompt_ids\":[],\"chosen_ids\":[3],\"rejected_ids\":[4]}", message);
    }

    @Test
    void identicalSides() {
        assertRefused(
                "{\"prompt\":\"a\",\"chosen\":\"cd\",\"rejected\":\"cd\"}",
                "chosen and rejected are the same; there is nothing to prefer");
    }

    @ParameterizedTest
    @CsvSource({"10", "-1", "99999999999"})
    void idsOutsideTheVocabulary(String id) {
        assertRefused(
                "{\"prompt_ids\":[2],\"chosen_ids\":[3," + id + "],\"rejected_ids\":[4]}",
                "chosen_ids[1] is " + id + ", outside the model's vocabulary of 10 tokens");
    }

    @Test
    void valuesOfAnotherKind() {
        assertRefused(
                "{\"prompt\":\"a\",\"chosen\":null,\"rejected\":\"d\"}",
                "its keys [prompt, rejected] match no format (null, so ignored: chosen); give [prompt, chosen, rejected] or"
                        + " [chosen, rejected] or [prompt_ids, chosen_ids, rejected_ids]");
        assertRefused("{\"prompt\":\"a\",\"chosen\":[\"c\"],\"rejected\":\"d\"}", "chosen is a list; give text");
        assertRefused("{\"prompt\":\"a\",\"chosen\":\"c\",\"rejected\":4}", "rejected is 4; give text");
        assertRefused(
                "{\"prompt_ids\":\"a\",\"chosen_ids\":[3],\"rejected_ids\":[4]}",
                "prompt_ids is text; give a list of token ids");
        assertRefused(
                "{\"prompt_ids\":[2,1.5],\"chosen_ids\":[3],\"rejected_ids\":[4]}",
                "prompt_ids[1] is 1.5; give a list of token ids");
    }

    @Test
    void halfACharacter() {
        assertRefused(
                "{\"prompt\":\"a\",\"chosen\":\"c\\ud83d\",\"rejected\":\"d\"}",
                "chosen holds \\ud83d, half of a character; write the whole character");
    }

    @Test
    void malformedJson() {
        assertThatThrownBy(() -> pairs("\n{\"prompt\"\n", true, OnBadRow.STOP))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageStartingWith(directory.resolve("rows.jsonl") + " line 2: malformed JSON: ")
                .hasMessageEndingWith("; write one JSON object per line");
    }

    @Test
    void unknownKeys() {
        String formats = "[prompt, chosen, rejected] or [chosen, rejected] or [prompt_ids, chosen_ids, rejected_ids]";
        assertRefused(
                "{\"instruction\":\"prompt\",\"output\":\"b\"}", "its keys are [instruction, output]; give " + formats);
        assertRefused(
                "{\"prompt\":\"a\",\"chosen\":\"b\"}", "its keys [prompt, chosen] match no format; give " + formats);
        assertRefused(
                "{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\",\"chosen_ids\":[1]}",
                "its keys [prompt, chosen, rejected, chosen_ids] match no format; give " + formats);
        assertRefused(
                "{\"prompt\":\"a\",\"completion\":\"b\"}", "it has [prompt, completion], not a pair; give " + formats);
    }

    @Test
    void mixedFormats() {
        assertThatThrownBy(() -> pairs(
                        "{\"prompt\":\"a\",\"chosen\":\"c\",\"rejected\":\"d\"}\n"
                                + "{\"prompt_ids\":[2],\"chosen_ids\":[3],\"rejected_ids\":[4]}",
                        true,
                        OnBadRow.STOP))
                .hasMessage(directory.resolve("rows.jsonl")
                        + " line 2: it has [prompt_ids, chosen_ids, rejected_ids] but the rows before it have"
                        + " [prompt, chosen, rejected]; use one format per file");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "prompt|{\"prompt\":[{\"role\":\"user\",\"content\":\"a\"}],\"chosen\":[],\"rejected\":[]}",
                "chosen|{\"prompt\":\"a\",\"chosen\":[{\"role\":\"assistant\",\"content\":\"a\"}],\"rejected\":\"b\"}",
                "chosen|{\"prompt\":\"a\",\"chosen\":{\"from\":\"gpt\",\"value\":\"a\"},\"rejected\":\"b\"}",
                "conversations|{\"prompt\":\"a\",\"conversations\":[],\"chosen\":\"a\",\"rejected\":\"b\"}"
            })
    void messagesNeedAChatTemplate(String key, String row) {
        assertRefused(
                row,
                key
                        + " holds role and content messages, which need the model's chat template; render them to text"
                        + " first (apply_chat_template in transformers) and give the text as prompt, chosen and"
                        + " rejected");
    }

    @Test
    void skippedRowsAreCountedByReason() {
        Dataset<PreferencePair> pairs = pairs("""
            {"prompt":"a","chosen":"c","rejected":"d"}
            {"prompt":"a","chosen":"c","rejected":"c"}
            {"prompt":"a","chosen":"","rejected":"c"}
            {"prompt":"a","chosen":"d","rejected":"d"}
            {oops
            {"prompt":"a","chosen":"d","rejected":"c"}
            """, true, OnBadRow.SKIP);
        assertThat(pairs.rows()).extracting(PreferencePair::row).containsExactly(1, 6);
        assertThat(pairs.report())
                .hasToString("2 rows; skipped 4: malformed JSON 1, empty completion 1, identical sides 2");
    }

    @Test
    void aFileOfWhichNothingCanBeUsed() {
        assertThatThrownBy(() -> pairs("{oops\n{}\n", true, OnBadRow.SKIP))
                .isInstanceOf(Dpo4jException.class)
                .hasMessage(directory.resolve("rows.jsonl")
                        + " has no row that can be used: 0 rows; skipped 2: malformed JSON 1, unknown format 1");
        assertThatThrownBy(() -> pairs("[]", true, OnBadRow.STOP))
                .hasMessageEndingWith("rows.jsonl has no row that can be used");
    }

    @Test
    void textsAreLearnedAfterTheirFirstToken() {
        Sequence sequence = sequence("{\"text\":\"cd\"}");
        assertThat(sequence.prompt()).containsExactly(START);
        assertThat(sequence.completion()).containsExactly(C, D, END);
    }

    @Test
    void promptsAndCompletions() {
        Sequence sequence = sequence("{\"prompt\":\"ca\",\"completion\":\"bd\"}");
        assertThat(sequence.prompt()).containsExactly(START, C);
        assertThat(sequence.completion()).containsExactly(AB, D, END);
    }

    @Test
    void idsOfSequences() {
        Sequence whole = sequence("{\"ids\":[4,5,6]}");
        assertThat(whole.prompt()).containsExactly(4);
        assertThat(whole.completion()).containsExactly(5, 6);
        Sequence parts = sequence("{\"prompt_ids\":[4,5],\"completion_ids\":[6]}");
        assertThat(parts.prompt()).containsExactly(4, 5);
        assertThat(parts.completion()).containsExactly(6);
    }

    @Test
    void sequencesWithNothingToLearn() {
        assertSequenceRefused("{\"text\":\"\"}", "text is empty");
        assertSequenceRefused(
                "{\"ids\":[3]}", "[ids] has 1 tokens; at least 2 are needed, because the second is the first target");
        assertSequenceRefused("{\"prompt\":\"a\",\"completion\":\"\"}", "completion is empty");
        assertSequenceRefused(
                "{\"chosen\":\"a\",\"rejected\":\"b\"}",
                "it has [chosen, rejected], a pair; give [text] or [prompt, completion] or [ids] or [prompt_ids,"
                        + " completion_ids]");
    }

    private void assertSequenceRefused(String row, String message) {
        assertThatThrownBy(() -> sequences(row)).hasMessage(directory.resolve("rows.jsonl") + " line 1: " + message);
    }

    /** A file of pairs where one row can be used as a pair; logps takes of it what dpo does. */
    @Test
    void whatAFileHolds() {
        String pair = "{\"prompt\":\"a\",\"chosen\":\"c\",\"rejected\":\"d\"}\n";
        assertThat(held(OnBadRow.SKIP, "{\"prompt\":\"a\",\"rejected\":\"b\"}\n" + pair + pair))
                .isEqualTo("pairs [2, 3]");
        assertThat(held(OnBadRow.SKIP, "{\"text\":\"a\"}\n" + pair + "{oops\n" + pair))
                .isEqualTo("pairs [2, 4]");
        assertThat(held(OnBadRow.SKIP, "{\"text\":\"a\"}\n{\"prompt\":\"a\",\"chosen\":\"c\"}\n{\"text\":\"b\"}"))
                .isEqualTo("sequences [1, 3]");
        assertThat(held(OnBadRow.SKIP, "{\"prompt\":\"a\",\"chosen\":\"c\",\"rejected\":\"c\"}\n{\"text\":\"a\"}"))
                .isEqualTo("sequences [2]");
        assertThat(held(OnBadRow.SKIP, "{\"chosen\":null,\"text\":\"a\"}")).isEqualTo("sequences [1]");
        assertThat(held(OnBadRow.STOP, pair + pair)).isEqualTo("pairs [1, 2]");
        assertThat(held(OnBadRow.STOP, "{\"ids\":[2,3]}")).isEqualTo("sequences [1]");
    }

    @Test
    void whatAFileHoldsIsRefusedByItsKind() {
        String pair = "{\"prompt\":\"a\",\"chosen\":\"c\",\"rejected\":\"d\"}\n";
        assertHeldRefused(pair + "{\"text\":\"a\"}", " line 2: it has [text], not a pair; give [prompt, ");
        assertHeldRefused(
                "{\"text\":\"a\"}\n" + pair, " line 2: it has [prompt, chosen, rejected], a pair; give [text] ");
        assertHeldRefused("{\"prompt\":\"a\",\"chosen\":\"\",\"rejected\":\"d\"}", " line 1: chosen is empty");
        assertHeldRefused(
                "{\"ids\":[3]}",
                " line 1: [ids] has 1 tokens; at least 2 are needed, because the second is the first target");
        assertHeldRefused(
                "{\"question\":\"a\"}",
                " line 1: its keys are [question]; give [prompt, chosen, rejected] or [chosen, rejected] or [prompt_ids,"
                        + " chosen_ids, rejected_ids] or [text] or [prompt, completion] or [ids] or [prompt_ids,"
                        + " completion_ids]");
    }

    private void assertHeldRefused(String rows, String message) {
        assertThatThrownBy(() -> held(OnBadRow.STOP, rows))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageStartingWith(directory.resolve("rows.jsonl") + message);
    }

    private String held(OnBadRow onBadRow, String rows) {
        List<String> held = new ArrayList<>();
        try (Tokenizer tokenizer = LetterTokenizer.load(directory, true)) {
            Dataset.read(
                    TestData.write(directory, "rows.jsonl", rows),
                    new ReadOptions(tokenizer, LetterTokenizer.SIZE, null, null, onBadRow),
                    pairs -> held.add("pairs "
                            + pairs.rows().stream().map(PreferencePair::row).toList()),
                    sequences -> held.add("sequences "
                            + sequences.rows().stream().map(Sequence::row).toList()));
        }
        assertThat(held).hasSize(1);
        return held.get(0);
    }

    @Test
    void promptsNameWhatTheyDoNotUse() {
        Path file = TestData.write(
                directory,
                "prompts.jsonl",
                "{\"prompt\":null,\"prompt_ids\":[9],\"system\":\"b\"}\n{\"prompt\":\"x\",\"prompt_ids\":[3,4]}");
        Dataset<Prompt> prompts = Prompt.read(file, null, LetterTokenizer.SIZE);
        assertThat(prompts.rows()).extracting(Prompt::row).containsExactly(1, 2);
        assertThat(prompts.rows().get(1).ids()).containsExactly(3, 4);
        assertThat(prompts.report().columnsNotUsed()).containsExactly(Map.entry("system", 1), Map.entry("prompt", 1));
    }
}
