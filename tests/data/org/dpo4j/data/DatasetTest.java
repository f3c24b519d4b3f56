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

/**
 * Converts rows to token ids with a tokenizer of ten tokens: every format, and every boundary between prompt
 * and completion. What is refused: {@link DatasetRefusalsTest}.
 */
class DatasetTest {
    private static final String PAIR = pair("a", "c", "d");
    private static final String FORMATS =
            "[prompt, chosen, rejected] or [chosen, rejected] or [prompt_ids, chosen_ids, rejected_ids]";

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
